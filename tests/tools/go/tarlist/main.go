// Lists tar archives as Go's archive/tar reads them: one JSON object an entry, then how each ended.
//
// Its input is any number of archives, each after its length as eight bytes, big-endian; its output one line for each:
// {"entries": […], "error": "…"}. With the argument "gzip" each is decompressed first.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

// Content beyond this is hashed no further: a sparse file may claim exabytes.
const most = 8 << 20

type entry struct {
	Type    string `json:"type"`
	Name    string `json:"name"` // hexadecimal: names need not be UTF-8
	Link    string `json:"link"`
	Size    int64  `json:"size"`
	Mode    int64  `json:"mode"`
	Content string `json:"content"`
}

type result struct {
	Entries []entry `json:"entries"`
	Error   string  `json:"error"`
}

func list(stream io.Reader) result {
	found := result{Entries: []entry{}}
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			found.Error = err.Error()
			return found
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, io.LimitReader(reader, most)); err != nil {
			found.Error = err.Error()
			return found
		}
		// Whatever is beyond must be whole too.
		if header.Size < most {
			if _, err := io.Copy(io.Discard, reader); err != nil {
				found.Error = err.Error()
				return found
			}
		}
		found.Entries = append(found.Entries, entry{
			string(rune(header.Typeflag)), hex.EncodeToString([]byte(header.Name)),
			hex.EncodeToString([]byte(header.Linkname)), header.Size, header.Mode, hex.EncodeToString(hash.Sum(nil)),
		})
	}
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var length uint64
		if err := binary.Read(input, binary.BigEndian, &length); err != nil {
			return
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(input, data); err != nil {
			panic(err)
		}
		var stream io.Reader = bytes.NewReader(data)
		found := result{}
		if len(os.Args) > 1 && os.Args[1] == "gzip" {
			unpacked, err := gzip.NewReader(stream)
			if err == nil {
				stream = io.LimitReader(unpacked, 1<<30)
				found = list(stream)
				if _, after := io.Copy(io.Discard, stream); found.Error == "" && after != nil {
					found.Error = after.Error()
				}
			} else {
				found.Error = err.Error()
			}
		} else {
			found = list(stream)
		}
		if err := output.Encode(found); err != nil {
			panic(err)
		}
	}
}
