package page

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Modules that import each other need several requests in series. They are joined into one file, when the server
// starts. A bundler would need Node to build the server, and a generated file in the repository that every change of
// the page touches; the modules are simple enough for this file.

// staticImport matches an import that the browser resolves before it runs a module. The path is relative to the module.
var staticImport = regexp.MustCompile(`(?m)(?:from|^import) *"(\./[^"]+)"`)

// imports returns the modules that a module imports, directly or not, each behind those that it imports itself.
func (p *Page) imports(name string) []string {
	var list []string
	seen := map[string]bool{name: true}
	var add func(name string)
	add = func(name string) {
		for _, m := range staticImport.FindAllSubmatch(p.files[name].plain, -1) {
			imported := path.Join(path.Dir(name), string(m[1]))
			if p.files[imported] == nil || seen[imported] {
				continue
			}
			seen[imported] = true
			add(imported)
			list = append(list, imported)
		}
	}
	add(name)
	return list
}

var (
	importLine    = regexp.MustCompile(`(?m)^import .*\n`)
	exportKeyword = regexp.MustCompile(`(?m)^export (\{.*\n)?`)
)

// join returns a module and everything that it imports as one file, with the exports of the module alone.
//
// Pages of other sites get a library in this form: it takes one request, all of it is of one version even if the server
// is being upgraded, and a downloaded copy can be bundled. The modules must be written for it: an import is one line and
// renames nothing, no name is declared at the top level of two modules, and there is no default export. TestLibrary
// checks this.
func (p *Page) join(name string) []byte {
	var out bytes.Buffer
	source := func(name string) []byte {
		b, _ := files.ReadFile(name) // with its comments: people read a library
		return importLine.ReplaceAll(b, nil)
	}
	for _, imported := range p.imports(name) {
		out.Write(exportKeyword.ReplaceAll(source(imported), nil))
	}
	module := source(name)
	header := module[:bytes.Index(module, []byte("\n\n"))+2] // the comment that explains the library comes first
	return slices.Concat(header, out.Bytes(), module[len(header):])
}

// joinPage is join for the page itself: page.js, and the parts that the first view does not need, in the order of lazy. The first
// of these is loaded by page.js, and the others by it. Vendored modules and those with a default export become functions, because
// their names would collide with others; the rules of join hold for the rest. TestModules checks this.
//
// A part is a function to which the file that loads it passes what the modules in it import. It must not import that file: in a
// page whose URL has a password, the URL of that import would differ from that of the page's script, and the page would run
// twice.
func (p *Page) joinPage(name string, lazy []string) (first []byte, parts [][]byte) {
	modules := append(p.imports(name), name)
	mine := make([][]string, len(lazy))   // the modules of each part
	passed := make([][]string, len(lazy)) // what each part imports from the files before it
	for i, part := range lazy {
		mine[i] = slices.DeleteFunc(append(p.imports(part), part), func(module string) bool {
			return slices.Contains(modules, module) || i > 0 && slices.Contains(mine[0], module)
		})
		for imported, names := range p.importedNames(mine[i]) {
			passed[i] = append(passed[i], names...)
			if i > 0 && !slices.Contains(mine[0], imported) { // the first part passes it on
				passed[0] = append(passed[0], names...)
			}
		}
	}
	for i := range lazy {
		slices.Sort(passed[i])
		names := strings.Join(slices.Compact(passed[i]), ", ")
		load := fmt.Sprintf(`await import("./%s")`, lazy[i])
		parts = append(parts, fmt.Appendf(nil, "export default ({ %s }) => {\n%sreturn %s};\n", names, p.joinModules(mine[i]), bytes.TrimPrefix(exportLine.Find(p.files[lazy[i]].plain), []byte("export "))))
		call := fmt.Appendf(nil, "(%s).default({ %s })", load, names)
		if i == 0 {
			first = bytes.Replace(p.joinModules(modules), []byte(load), call, 1)
		} else {
			parts[0] = bytes.Replace(parts[0], []byte(load), call, 1)
		}
	}
	return first, parts
}

// importedNames returns what modules import from modules that are not among them.
func (p *Page) importedNames(modules []string) map[string][]string {
	names := make(map[string][]string)
	for _, module := range modules {
		for _, m := range importNames.FindAllSubmatch(p.files[module].plain, -1) {
			switch imported := path.Join(path.Dir(module), string(m[2])); {
			case slices.Contains(modules, imported):
			case isWrapped(imported):
				names[imported] = append(names[imported], variable(imported))
			default:
				names[imported] = append(names[imported], strings.Fields(strings.ReplaceAll(string(m[1]), ",", " "))...)
			}
		}
	}
	return names
}

// joinModules returns modules as one file without imports and exports.
func (p *Page) joinModules(modules []string) []byte {
	var out bytes.Buffer
	for _, module := range modules {
		source := p.files[module].plain
		if !isWrapped(module) {
			source = wrappedImports(module, source)
			out.Write(exportKeyword.ReplaceAll(importLine.ReplaceAll(source, nil), nil))
			continue
		}
		source = exportList.ReplaceAllFunc(wrappedImports(module, source), func(list []byte) []byte {
			return []byte("return {" + exported.ReplaceAllString(string(list[len("export{"):len(list)-len("};")]), "$2:$1") + "};")
		})
		source = bytes.Replace(source, []byte("export default"), []byte("return"), 1)
		fmt.Fprintf(&out, "const %s = (() => {\n%s})();\n", variable(module), source)
	}
	return out.Bytes()
}

var (
	exportLine   = regexp.MustCompile(`(?m)^export \{.*\n`)
	exportList   = regexp.MustCompile(`export\{[^}]*\};`)
	exported     = regexp.MustCompile(`([\w$]+) as ([\w$]+)`)
	importNames  = regexp.MustCompile(`import *\{([^}]*)\} *from *"(\./[^"]+)";`)
	importObject = regexp.MustCompile(`import (\w+) from *"(\./[^"]+)";`)
)

func isWrapped(module string) bool {
	return strings.HasPrefix(module, "vendor/") || strings.HasPrefix(module, "lang/")
}

// variable is the name of what a wrapped module exports.
func variable(module string) string {
	return "$" + strings.NewReplacer("/", "_", "-", "_").Replace(strings.TrimSuffix(module, ".js"))
}

// wrappedImports replaces a module's imports of wrapped modules by declarations.
func wrappedImports(module string, source []byte) []byte {
	replace := func(imports *regexp.Regexp, declaration func(names, variable string) string) {
		source = imports.ReplaceAllFunc(source, func(line []byte) []byte {
			m := imports.FindSubmatch(line)
			imported := path.Join(path.Dir(module), string(m[2]))
			if !isWrapped(imported) {
				return line
			}
			return []byte(declaration(string(m[1]), variable(imported)))
		})
	}
	replace(importNames, func(names, variable string) string {
		return fmt.Sprintf("const {%s} = %s;", strings.ReplaceAll(names, " as ", ": "), variable)
	})
	replace(importObject, func(name, variable string) string { return fmt.Sprintf("const %s = %s;", name, variable) })
	return source
}
