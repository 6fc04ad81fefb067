// Checks the vectors in core/log/vectors with Go's own packages for notes and transparency logs. Nothing of Holdfast runs
// here: what is known of it are the texts in its ENVELOPE.md.
//
//	go run . ../../core/log/vectors
//	go run . check PROOF.tlog-proof VERIFIER-KEY...
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type vectors struct {
	Leaves []leaf `json:"leaves"`
	Cases  []testCase
}

type leaf struct {
	Header   []byte `json:"header"`
	Data     []byte `json:"data"`
	LeafHash []byte `json:"leafHash"`
	// RootHere is the root of the tree that ends with this leaf.
	RootHere []byte `json:"rootHere"`
}

type testCase struct {
	Title    string
	File     string
	Kind     string
	Signers  [][]string
	Expected string
}

func main() {
	var err error
	switch {
	case len(os.Args) == 2:
		err = checkVectors(os.Args[1])
	case len(os.Args) > 3 && os.Args[1] == "check":
		err = checkFile(os.Args[2], os.Args[3:])
	default:
		err = errors.New("usage: proof-with-go VECTORS | proof-with-go check PROOF VERIFIER-KEY...")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checkVectors(directory string) error {
	text, err := os.ReadFile(filepath.Join(directory, "vectors.json"))
	if err != nil {
		return err
	}
	var all vectors
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if err := checkLeaves(all.Leaves); err != nil {
		return err
	}
	failed := 0
	for _, one := range all.Cases {
		err := check(filepath.Join(directory, one.File), one.Kind, one.Signers)
		if (err == nil) == (one.Expected == "PROVEN") {
			continue
		}
		failed++
		fmt.Printf("FAIL %s: %s: %s was expected, not %v\n", one.File, one.Title, one.Expected, err)
	}
	fmt.Printf("%d leaves, %d cases, %d failed\n", len(all.Leaves), len(all.Cases), failed)
	if failed > 0 {
		return errors.New("the vectors do not say what Go says")
	}
	return nil
}

// checkLeaves builds the tree with Go's own code and compares every leaf hash and every root.
func checkLeaves(leaves []leaf) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for i, one := range leaves {
		hash := leafHash(one.Header, one.Data)
		if !bytes.Equal(hash[:], one.LeafHash) {
			return fmt.Errorf("leaf %d: another hash", i)
		}
		more, err := tlog.StoredHashesForRecordHash(int64(i), hash, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
		root, err := tlog.TreeHash(int64(i+1), reader)
		if err != nil {
			return err
		}
		if !bytes.Equal(root[:], one.RootHere) {
			return fmt.Errorf("size %d: another root", i+1)
		}
	}
	return nil
}

// leafHash is the RFC 6962 hash of the entry: header, then SHA-256 of data.
func leafHash(header, data []byte) tlog.Hash {
	digest := sha256.Sum256(data)
	return tlog.RecordHash(append(append([]byte{}, header...), digest[:]...))
}

func checkFile(file string, keys []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kind := "EVENT"
	if bytes.HasPrefix(text, []byte("holdfast/consistency-proof@v1\n")) {
		kind = "CONSISTENCY"
	}
	var signers [][]string
	for _, key := range keys {
		signers = append(signers, []string{key})
	}
	if err := check(file, kind, signers); err != nil {
		return err
	}
	fmt.Println("proven")
	return nil
}

func check(file, kind string, signers [][]string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	switch kind {
	case "CHECKPOINT":
		_, err := openCheckpoint(text, signers)
		return err
	case "EVENT":
		return checkEvent(string(text), signers)
	case "CONSISTENCY":
		return checkConsistency(string(text), signers)
	}
	return fmt.Errorf("unknown kind %q", kind)
}

func checkEvent(text string, signers [][]string) error {
	front, checkpoint, found := strings.Cut(text, "\n\n")
	lines := strings.Split(front, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a proof of an event")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || len(extra) < 2 || len(extra) < 2+int(binary.BigEndian.Uint16(extra)) {
		return errors.New("no event in the proof")
	}
	headerEnd := 2 + int(binary.BigEndian.Uint16(extra))
	header, data := extra[2:headerEnd], extra[headerEnd:]
	if len(header) < 73 {
		return errors.New("no header in the proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(lines[3:])
	if err != nil {
		return err
	}
	tree, err := openCheckpoint([]byte(checkpoint), signers)
	if err != nil {
		return err
	}
	// ENVELOPE.md: epoch at 4, position at 8, site at 16.
	origin := fmt.Sprintf("holdfast/site/%x-%x-%x-%x-%x/%d", header[16:20], header[20:22], header[22:24], header[24:26],
		header[26:32], binary.BigEndian.Uint32(header[4:]))
	if origin != tree.origin || binary.BigEndian.Uint64(header[8:]) != uint64(index+1) {
		return errors.New("the event says another place than the proof")
	}
	return tlog.CheckRecord(tlog.RecordProof(hashes), tree.size, tree.root, index, leafHash(header, data))
}

func checkConsistency(text string, signers [][]string) error {
	// Neither hashes nor the text of a checkpoint hold an empty line.
	parts := strings.Split(text, "\n\n")
	lines := strings.Split(parts[0], "\n")
	if len(parts) != 5 || lines[0] != "holdfast/consistency-proof@v1" {
		return errors.New("not a proof of consistency")
	}
	hashes, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	old, err := openCheckpoint([]byte(parts[1]+"\n\n"+parts[2]+"\n"), signers)
	if err != nil {
		return err
	}
	tree, err := openCheckpoint([]byte(parts[3]+"\n\n"+parts[4]), signers)
	if err != nil {
		return err
	}
	if old.origin != tree.origin {
		return errors.New("the checkpoints are of two logs")
	}
	return tlog.CheckTree(tlog.TreeProof(hashes), tree.size, tree.root, old.size, old.root)
}

type signedTree struct {
	origin string
	size   int64
	root   tlog.Hash
}

// openCheckpoint wants a signature by one key of each list.
func openCheckpoint(text []byte, signers [][]string) (signedTree, error) {
	var opened *note.Note
	for _, keys := range signers {
		var verifiers []note.Verifier
		for _, key := range keys {
			verifier, err := newVerifier(key)
			if err != nil {
				return signedTree{}, err
			}
			verifiers = append(verifiers, verifier)
		}
		one, err := note.Open(text, note.VerifierList(verifiers...))
		if err != nil {
			return signedTree{}, err
		}
		opened = one
	}
	if opened == nil {
		return signedTree{}, errors.New("nobody is trusted")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return signedTree{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return signedTree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return signedTree{lines[0], size, root}, err
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// newVerifier knows plain Ed25519 by Go's package, and cosignatures (c2sp.org/tlog-cosignature) by the type below.
func newVerifier(key string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(key, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	material, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(material) != 1+ed25519.PublicKeySize {
		return nil, errors.New("malformed verifier key")
	}
	if material[0] != cosignatureV1 {
		return note.NewVerifier(key)
	}
	digest := sha256.Sum256(append([]byte(name+"\n"), material...))
	return cosigner{name, binary.BigEndian.Uint32(digest[:]), material[1:]}, nil
}

const cosignatureV1 = 0x04

type cosigner struct {
	name      string
	keyHash   uint32
	publicKey ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.keyHash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(signature))
	return ed25519.Verify(c.publicKey, append([]byte(head), text...), signature[8:])
}
