// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// withoutEntry are the summaries that the guide on messages leaves out, by the reason
// why. What package policy says of one argument of a policy is left out too.
var withoutEntry = map[string][]string{
	"it is about one argument, or two that exclude each other, and says what to write": {
		"Entry is null",
		"Grace period cannot end",
		"Invalid Attribute Value",
		"Invalid label",
		"Invalid list of services",
		"Invalid name of a Docker secret",
		"Key is named twice",
		"Missing category, keys or value_wo",
		"Missing secret_id or value_wo",
		"Region is named twice",
		"category and keys exclude each other",
		"previous_key_suffix collides with a key",
		"previous_key_suffix needs a JSON secret",
		"secret_id and value_wo exclude each other",
		"value_wo and keys exclude each other",
	},
	"nobody sees it but by a defect of the provider": {
		"Configuration is not known in apply",
		"Facts cannot be kept",
		"Report cannot be encoded",
		"Unexpected provider data",
	},
}

// TestTroubleshootingQuotesTheProvider keeps the guide on messages and the messages
// together: each heading of the third level is the summary of a diagnostic, and each
// summary is such a heading, but for those of withoutEntry.
func TestTroubleshootingQuotesTheProvider(t *testing.T) {
	guide, err := os.ReadFile(guidePath("troubleshooting"))
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, heading := range regexp.MustCompile("(?m)^### (.*)$").FindAllStringSubmatch(string(guide), -1) {
		if headings[heading[1]] {
			t.Errorf("the guide has the message %q twice", heading[1])
		}
		headings[heading[1]] = true
	}
	said := summariesOf(t, ".")
	if len(said) < 100 {
		t.Errorf("only %d summaries were found", len(said))
	}
	left := map[string]bool{}
	for reason, summaries := range withoutEntry {
		for _, summary := range summaries {
			left[summary] = true
			if !said[summary] || headings[summary] {
				t.Errorf("%q is said to need no entry, because %s, but no diagnostic has it, or the guide has it", summary, reason)
			}
		}
	}
	for _, summary := range slices.Sorted(maps.Keys(said)) {
		if !headings[summary] && !left[summary] {
			t.Errorf("the guide has no entry for %q: write one, or say in withoutEntry why not", summary)
		}
	}
	maps.Copy(said, summariesOf(t, filepath.Join("..", "policy")))
	for _, heading := range slices.Sorted(maps.Keys(headings)) {
		if !said[heading] {
			t.Errorf("no diagnostic has the summary %q", heading)
		}
	}
}

// summaryArguments are the functions of the framework that make a diagnostic, and
// where its summary is among their arguments.
var summaryArguments = map[string]int{
	"AddError": 0, "AddWarning": 0, "AddAttributeError": 1, "AddAttributeWarning": 1,
	"NewErrorDiagnostic": 0, "NewWarningDiagnostic": 0, "NewAttributeErrorDiagnostic": 1, "NewAttributeWarningDiagnostic": 1,
}

// summaryFinder finds what the diagnostics of a package are called: the texts that are
// given to the functions of the framework, and to whatever has the name summary: a
// parameter, a variable, a field.
type summaryFinder struct {
	t         *testing.T
	files     *token.FileSet
	methods   map[string]int // where the parameter is
	functions map[string]int // the same, of those that are called by their name alone
	fields    map[string]int // where the field is in a struct, by the name of the type
	found     map[string]bool
}

func summariesOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	f := &summaryFinder{
		t: t, files: token.NewFileSet(), methods: maps.Clone(summaryArguments),
		functions: map[string]int{}, fields: map[string]int{}, found: map[string]bool{},
	}
	var parsed []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(f.files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
		f.declarations(file)
	}
	for _, file := range parsed {
		f.file(file)
	}
	return f.found
}

// declarations notes the functions and types of a file that have a summary.
func (f *summaryFinder) declarations(file *ast.File) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if i := summaryIn(d.Type.Params); i >= 0 && d.Recv != nil {
				f.methods[d.Name.Name] = i
			} else if i >= 0 {
				f.functions[d.Name.Name] = i
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if named, ok := spec.(*ast.TypeSpec); ok {
					if s, ok := named.Type.(*ast.StructType); ok && summaryIn(s.Fields) >= 0 {
						f.fields[named.Name.Name] = summaryIn(s.Fields)
					}
				}
			}
		}
	}
}

// file collects the texts of a file. Functions that it keeps in variables are known in
// all of it.
func (f *summaryFinder) file(file *ast.File) {
	functions := maps.Clone(f.functions)
	assignments(file, func(name string, value ast.Expr) {
		switch v := value.(type) {
		case *ast.FuncLit:
			if i := summaryIn(v.Type.Params); i >= 0 {
				functions[name] = i
			}
		case *ast.SelectorExpr:
			if i, ok := summaryArguments[v.Sel.Name]; ok {
				functions[name] = i
			}
		}
	})
	assignments(file, func(name string, value ast.Expr) {
		if name == "summary" {
			f.add(value)
		}
	})
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			i, ok := 0, false
			switch fun := n.Fun.(type) {
			case *ast.SelectorExpr:
				i, ok = f.methods[fun.Sel.Name]
			case *ast.Ident:
				i, ok = functions[fun.Name]
			}
			if ok && i < len(n.Args) {
				f.add(n.Args[i])
			}
		case *ast.CompositeLit:
			f.literal(n)
		}
		return true
	})
}

// literal collects the texts of a struct, or of a table of structs.
func (f *summaryFinder) literal(literal *ast.CompositeLit) {
	switch kind := literal.Type.(type) {
	case *ast.Ident:
		if i, ok := f.fields[kind.Name]; ok {
			f.field(literal, i)
		}
	case *ast.ArrayType:
		row, ok := kind.Elt.(*ast.StructType)
		if !ok || summaryIn(row.Fields) < 0 {
			return
		}
		for _, element := range literal.Elts {
			if values, ok := element.(*ast.CompositeLit); ok {
				f.field(values, summaryIn(row.Fields))
			}
		}
	}
}

func (f *summaryFinder) field(literal *ast.CompositeLit, position int) {
	for i, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && isSummary(key.Name) {
				f.add(pair.Value)
			}
		} else if i == position {
			f.add(element)
		}
	}
}

// add takes a text. One that is put together begins with the name of an argument,
// which the diagnostic is about; any other expression has to be a summary that is
// collected where it comes from.
func (f *summaryFinder) add(expression ast.Expr) {
	f.t.Helper()
	name := ""
	switch e := expression.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			f.found[text] = true
			return
		}
	case *ast.BinaryExpr:
		return
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	if !isSummary(name) {
		f.t.Errorf("%s: this is the summary of a diagnostic, and this test does not see what it is", f.files.Position(expression.Pos()))
	}
}

func isSummary(name string) bool { return strings.EqualFold(name, "summary") }

// summaryIn returns where in a list of parameters or fields the summary is, or -1.
func summaryIn(list *ast.FieldList) int {
	i := 0
	for _, field := range list.List {
		for _, name := range field.Names {
			if isSummary(name.Name) {
				return i
			}
			i++
		}
		if len(field.Names) == 0 {
			i++
		}
	}
	return -1
}

// assignments calls do with each variable of a file that is given one value.
func assignments(file *ast.File, do func(name string, value ast.Expr)) {
	ast.Inspect(file, func(node ast.Node) bool {
		if a, ok := node.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i := range a.Lhs {
				if name, ok := a.Lhs[i].(*ast.Ident); ok {
					do(name.Name, a.Rhs[i])
				}
			}
		}
		return true
	})
}
