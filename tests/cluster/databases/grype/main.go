// Writes a Grype database of a few real vulnerabilities, with Grype's own package, as its mirror serves it; with a
// number after the folder, of the first so many; with `all:FILE`, of all and of those in that file.
package main

import (
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/anchore/grype/grype/db/v6/distribution"
	"github.com/spf13/afero"
)

type known struct{ id, alias, ecosystem, name, kind, constraint, fixed, severity string }

// A further one, of every version of a package; of a distribution where that is named.
type further struct{ ID, Ecosystem, Name, Kind, Distribution, Release string }

var vulnerabilities = []known{
	{"GHSA-jfh8-c2jp-5v3q", "CVE-2021-44228", "java-archive", "org.apache.logging.log4j:log4j-core", "maven", ">=2.13.0,<2.15.0", "2.15.0", "critical"},
	{"GHSA-35jh-r3h4-6jhm", "CVE-2021-23337", "npm", "lodash", "semver", "<4.17.21", "4.17.21", "high"},
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) { must(struct{}{}, err) }

func main() {
	folder := os.Args[1]
	var more []further
	if len(os.Args) > 2 {
		if file, found := strings.CutPrefix(os.Args[2], "all:"); found {
			check(json.Unmarshal(must(os.ReadFile(file)), &more))
		} else {
			vulnerabilities = vulnerabilities[:must(strconv.Atoi(os.Args[2]))]
		}
	}
	work := must(os.MkdirTemp(folder, "database"))
	defer os.RemoveAll(work)
	now := time.Now().UTC()
	write(work, now, more)
	archive := filepath.Join(folder, "vulnerability-db.tar.zst")
	check(exec.Command("tar", "--zstd", "-C", work, "-cf", archive, "vulnerability.db", "import.json").Run())
	described := must(distribution.NewArchive(archive, now, v6.ModelVersion, v6.Revision, v6.Addition))
	latest := must(os.Create(filepath.Join(folder, "latest.json")))
	check(distribution.NewLatestDocument(*described).Write(latest))
	check(latest.Close())
}

func write(folder string, now time.Time, more []further) {
	writer := must(v6.NewWriter(v6.Config{DBDirPath: folder}))
	provider := v6.Provider{ID: "github", Version: "1", DateCaptured: &now}
	check(writer.SetDBMetadata())
	check(writer.AddProvider(provider))
	vulnerability := func(id, severity string, aliases ...string) *v6.VulnerabilityHandle {
		handle := &v6.VulnerabilityHandle{
			Name: id, Status: v6.VulnerabilityActive, PublishedDate: &now, ModifiedDate: &now,
			ProviderID: provider.ID, Provider: &provider,
			BlobValue: &v6.VulnerabilityBlob{
				ID: id, Aliases: aliases,
				Severities: []v6.Severity{{Scheme: v6.SeveritySchemeHML, Value: severity, Rank: 1}},
			},
		}
		check(writer.AddVulnerabilities(handle))
		return handle
	}
	for _, each := range vulnerabilities {
		handle := vulnerability(each.id, each.severity, each.alias)
		affected := v6.Range{
			Version: v6.Version{Type: each.kind, Constraint: each.constraint},
			Fix:     &v6.Fix{Version: each.fixed, State: v6.FixedStatus},
		}
		check(writer.AddAffectedPackages(&v6.AffectedPackageHandle{
			VulnerabilityID: handle.ID, Vulnerability: handle,
			Package:   &v6.Package{Ecosystem: each.ecosystem, Name: each.name},
			BlobValue: &v6.PackageBlob{CVEs: []string{each.alias}, Ranges: []v6.Range{affected}},
		}))
	}
	for _, each := range more {
		handle := vulnerability(each.ID, "low")
		affected := &v6.AffectedPackageHandle{
			VulnerabilityID: handle.ID, Vulnerability: handle,
			Package:   &v6.Package{Ecosystem: each.Ecosystem, Name: each.Name},
			BlobValue: &v6.PackageBlob{Ranges: []v6.Range{{Version: v6.Version{Type: each.Kind}}}},
		}
		if each.Distribution != "" {
			affected.OperatingSystem = &v6.OperatingSystem{
				Name: each.Distribution, ReleaseID: each.Distribution, MajorVersion: each.Release,
			}
		}
		check(writer.AddAffectedPackages(affected))
	}
	check(writer.Close())
	must(v6.WriteImportMetadata(afero.NewOsFs(), folder, "fixture"))
}
