package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

//go:embed catalogue/*.yaml
var builtin embed.FS

// maxFile is the most bytes a chart file may have.
const maxFile = 1 << 20

// file is one YAML file of the catalogue.
type file struct {
	Charts     []*Chart     `yaml:"charts"`
	Dashboards []*Dashboard `yaml:"dashboards"`
}

// Load reads the built-in catalogue and the .yaml and .yml files at the top of each further file system. Whatever
// is wrong in them is an error of kind Invalid that names file and line.
func Load(more ...fs.FS) (*Catalogue, error) {
	own, err := fs.Sub(builtin, "catalogue")
	if err != nil {
		return nil, err
	}
	c := newChecker()
	for _, fsys := range append([]fs.FS{own}, more...) {
		if err := c.folder(fsys); err != nil {
			return nil, err
		}
	}
	return c.finish()
}

func (c *checker) folder(fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder of charts cannot be read")
	}
	found := false
	for _, e := range entries {
		if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		found = true
		text, err := read(fsys, e.Name())
		if err != nil {
			return err
		}
		if err := c.add(e.Name(), text); err != nil {
			return err
		}
	}
	if !found {
		return fault.New(fault.Invalid, "the folder of charts holds no .yaml file")
	}
	return nil
}

func read(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s cannot be read", name)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s cannot be read", name)
	}
	if len(text) > maxFile {
		return nil, fault.New(fault.Invalid, "%s is larger than %d bytes", name, maxFile)
	}
	return text, nil
}

// add decodes one file strictly and checks what can be checked before all files are known.
func (c *checker) add(name string, text []byte) error {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "%s is empty", name)
	} else if err != nil {
		return explain(name, err)
	}
	if err := d.Decode(new(file)); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "%s holds more than one YAML document", name)
	}
	// A second reading for the lines only: decoding into types loses them.
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return explain(name, err)
	}
	for i, x := range f.Charts {
		if err := c.chart(place{name, line(&node, "charts", i)}, x); err != nil {
			return err
		}
	}
	for i, d := range f.Dashboards {
		if err := c.dashboard(place{name, line(&node, "dashboards", i)}, d); err != nil {
			return err
		}
	}
	return nil
}

// place is where an item was declared.
type place struct {
	file string
	line int
}

// line finds the line of an item in a list at the top of the document; 1 when the list came there by a merge key.
func line(n *yaml.Node, key string, item int) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = target(n.Content[0])
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if items := target(n.Content[i+1]).Content; n.Content[i].Value == key && item < len(items) {
			return items[item].Line
		}
	}
	return 1
}

func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

var (
	lineOf     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownKey = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	wrongType  = regexp.MustCompile("^cannot unmarshal !!(\\S+) (?:`(.*)` )?into (\\S+)$")
)

// explain turns the decoder's errors into one fault: file, line, and words that do not name our types.
func explain(name string, err error) error {
	text := err.Error()
	if t, ok := errors.AsType[*yaml.TypeError](err); ok && len(t.Errors) > 0 {
		text = t.Errors[0]
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "yaml: ")
	where := name
	if m := lineOf.FindStringSubmatch(text); m != nil {
		where, text = name+":"+m[1], m[2]
	}
	if m := unknownKey.FindStringSubmatch(text); m != nil {
		text = "unknown key " + m[1]
	} else if m := wrongType.FindStringSubmatch(text); m != nil {
		text = "the value is of the wrong type (" + m[1] + ")"
	}
	return fault.New(fault.Invalid, "%s: %s", where, text)
}
