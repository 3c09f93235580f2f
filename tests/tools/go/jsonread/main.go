// Reads documents of images as the container runtimes do, with encoding/json into their structures, and prints what it
// read. Standard input is a row of frames: one letter for the kind, eight bytes for the length (big endian), the
// document. Each gets one line of JSON: {"error": "…", "value": …}. With the argument "folds" it prints the pairs of
// characters that Go takes for the same letter instead.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
	"unicode"
)

// OCI image-spec 1.1, specs-go/v1.

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	Platform     *platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

// A manifest and an index in one: containerd decodes into both and compares (CVE-2021-41190).
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *descriptor       `json:"config,omitempty"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type imageConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

type image struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	platformOfImage
	Config  imageConfig `json:"config,omitempty"`
	RootFS  rootFS      `json:"rootfs"`
	History []history   `json:"history,omitempty"`
}

type platformOfImage struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

// The manifest.json of `docker save`.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

type layout struct {
	Version string `json:"imageLayoutVersion"`
}

type tags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

type answer struct {
	Error string `json:"error"`
	Value any    `json:"value"`
}

func read(kind byte, data []byte) answer {
	var value any
	switch kind {
	case 'm':
		value = &manifest{}
	case 'c':
		value = &image{}
	case 's':
		value = &[]saved{}
	case 'l':
		value = &layout{}
	case 't':
		value = &tags{}
	case 'x':
		value = new(map[string]any)
	default:
		panic("unknown kind")
	}
	if err := json.Unmarshal(data, value); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Value: value}
}

func folds(out io.Writer) {
	fmt.Fprintln(out, unicode.Version)
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if other := unicode.SimpleFold(r); other != r {
			fmt.Fprintln(out, r, other)
		}
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(os.Args) > 1 && os.Args[1] == "folds" {
		folds(out)
		return
	}
	given, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for rest := bytes.NewReader(given); rest.Len() > 0; {
		kind, _ := rest.ReadByte()
		var size uint64
		if err := binary.Read(rest, binary.BigEndian, &size); err != nil {
			panic(err)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(rest, data); err != nil {
			panic(err)
		}
		if err := encoder.Encode(read(kind, data)); err != nil {
			panic(err)
		}
	}
}
