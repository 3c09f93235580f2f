// Writes Trivy's two databases with a few real vulnerabilities, with Trivy's own packages: FOLDER/db and FOLDER/java-db;
// with a file after the folder, those in that file, too.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/types"
	javadb "github.com/aquasecurity/trivy-java-db/pkg/db"
	javatypes "github.com/aquasecurity/trivy-java-db/pkg/types"
	bolt "go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver of the Java database
)

type known struct {
	id, source, name, vulnerable, patched string
	severity                              types.Severity
}

// A further one, of every version of a package; Source is a distribution and its release, or an ecosystem of GitHub's.
type further struct{ ID, Source, Name string }

const (
	maven = "maven::GitHub Security Advisory Maven"
	npm   = "npm::GitHub Security Advisory Npm"
)

var vulnerabilities = []known{
	{"CVE-2021-44228", maven, "org.apache.logging.log4j:log4j-core", ">=2.13.0, <2.15.0", "2.15.0", types.SeverityCritical},
	{"CVE-2021-23337", npm, "lodash", "<4.17.21", "4.17.21", types.SeverityHigh},
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	now := time.Now().UTC()
	var more []further
	if len(os.Args) > 2 {
		data, err := os.ReadFile(os.Args[2])
		check(err)
		check(json.Unmarshal(data, &more))
	}
	vulnerable(filepath.Join(os.Args[1], "db"), now, more)
	java(filepath.Join(os.Args[1], "java-db"), now)
}

func vulnerable(folder string, now time.Time, more []further) {
	check(os.MkdirAll(folder, 0o755))
	check(db.Init(folder))
	config := db.Config{}
	check(config.BatchUpdate(func(tx *bolt.Tx) error {
		for _, source := range []string{maven, npm} {
			check(config.PutDataSource(tx, source, types.DataSource{ID: "ghsa", Name: source, URL: "https://github.com/advisories"}))
		}
		for _, each := range vulnerabilities {
			advisory := types.Advisory{VulnerableVersions: []string{each.vulnerable}, PatchedVersions: []string{each.patched}}
			check(config.PutAdvisoryDetail(tx, each.id, each.name, []string{each.source}, advisory))
			check(config.SaveAdvisoryDetails(tx, each.id))
			check(config.PutVulnerability(tx, each.id, types.Vulnerability{
				Title: each.id, Severity: each.severity.String(),
				VendorSeverity: types.VendorSeverity{"ghsa": each.severity},
			}))
		}
		for _, each := range more {
			advisory := types.Advisory{FixedVersion: "999"}
			if strings.Contains(each.Source, "::") {
				advisory = types.Advisory{VulnerableVersions: []string{">=0"}}
			}
			check(config.PutDataSource(tx, each.Source, types.DataSource{ID: "ghsa", Name: each.Source}))
			check(config.PutAdvisoryDetail(tx, each.ID, each.Name, []string{each.Source}, advisory))
			check(config.SaveAdvisoryDetails(tx, each.ID))
			check(config.PutVulnerability(tx, each.ID, types.Vulnerability{Title: each.ID, Severity: "LOW"}))
		}
		return nil
	}))
	check(config.DeleteAdvisoryDetailBucket())
	check(db.Close())
	check(metadata.NewClient(folder).Update(metadata.Metadata{
		Version: db.SchemaVersion, NextUpdate: now.Add(24 * time.Hour), UpdatedAt: now, DownloadedAt: now,
	}))
}

func java(folder string, now time.Time) {
	database, err := javadb.New(folder)
	check(err)
	check(database.Init())
	check(database.InsertIndexes([]javatypes.Index{{
		GroupID: "org.apache.logging.log4j", ArtifactID: "log4j-core", Version: "2.14.1",
		SHA1: make([]byte, 20), ArchiveType: javatypes.JarType,
	}}))
	check(database.Close())
	client := javadb.NewMetadata(folder)
	check(client.Update(javadb.Metadata{
		Version: javadb.SchemaVersion, NextUpdate: now.Add(24 * time.Hour), UpdatedAt: now, DownloadedAt: now,
	}))
}
