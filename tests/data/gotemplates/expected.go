// Expected says what Go's own text/template makes of templates and data: the measure for Paddock's.
//
//	go run expected.go < pairs.json > expected.json
//
// What comes in is a list of groups, {"data": ..., "templates": [...]}: each template is given the data. A
// whole number in data is an int and any other a float64; {"$bytes": "..."} is a []byte, {"$struct": [["Name",
// value], ...]} a struct with these fields, and {"$json": value} a map or slice that prints as JSON. What goes
// out are the same groups with "made" for "templates": each template with its "output", or with the "error"
// and the line where Go saw it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

type group struct {
	Data      json.RawMessage `json:"data"`
	Templates []string        `json:"templates,omitempty"`
	Made      []made          `json:"made"`
}

type made struct {
	Template string  `json:"template"`
	Output   *string `json:"output,omitempty"`
	Error    string  `json:"error,omitempty"`
	Line     int     `json:"line,omitempty"`
}

type jsonMap map[string]any

func (m jsonMap) String() string { return marshal(map[string]any(m)) }

type jsonList []any

func (l jsonList) String() string { return marshal([]any(l)) }

func marshal(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func value(raw any) any {
	switch raw := raw.(type) {
	case json.Number:
		if strings.ContainsAny(raw.String(), ".eE") {
			float, err := raw.Float64()
			check(err)
			return float
		}
		whole, err := strconv.Atoi(raw.String())
		check(err)
		return whole
	case []any:
		list := make([]any, len(raw))
		for i, each := range raw {
			list[i] = value(each)
		}
		return list
	case map[string]any:
		if text, ok := raw["$bytes"]; ok {
			return []byte(text.(string))
		}
		if fields, ok := raw["$struct"]; ok {
			return record(fields.([]any))
		}
		if inner, ok := raw["$json"]; ok {
			switch inner := value(inner).(type) {
			case []any:
				return jsonList(inner)
			case map[string]any:
				return jsonMap(inner)
			}
		}
		for key, each := range raw {
			raw[key] = value(each)
		}
	}
	return raw
}

func record(raw []any) any {
	var fields []reflect.StructField
	var values []any
	for _, each := range raw {
		named := each.([]any)
		inside := value(named[1])
		kind := reflect.TypeFor[any]()
		if inside != nil {
			kind = reflect.TypeOf(inside)
		}
		fields = append(fields, reflect.StructField{Name: named[0].(string), Type: kind})
		values = append(values, inside)
	}
	made := reflect.New(reflect.StructOf(fields)).Elem()
	for i, each := range values {
		if each != nil {
			made.Field(i).Set(reflect.ValueOf(each))
		}
	}
	return made.Interface()
}

var place = regexp.MustCompile(`^template: :(\d+):`)

func answer(text string, data any) (m made) {
	m.Template = text
	defer func() {
		if cause := recover(); cause != nil {
			m.Error = fmt.Sprint("panic: ", cause)
		}
	}()
	functions := template.FuncMap{"json": marshal}
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(text)
	var out bytes.Buffer
	if err == nil {
		err = parsed.Execute(&out, data)
	}
	if err == nil {
		output := string([]rune(out.String())) // a byte that is no UTF-8 becomes U+FFFD
		m.Output = &output
		return
	}
	m.Error = err.Error()
	if found := place.FindStringSubmatch(m.Error); found != nil {
		m.Line, _ = strconv.Atoi(found[1])
	}
	return
}

func main() {
	var groups []group
	check(json.NewDecoder(os.Stdin).Decode(&groups))
	for i := range groups {
		decoder := json.NewDecoder(bytes.NewReader(groups[i].Data))
		decoder.UseNumber()
		var raw any
		check(decoder.Decode(&raw))
		data := value(raw)
		for _, text := range groups[i].Templates {
			groups[i].Made = append(groups[i].Made, answer(text, data))
		}
		groups[i].Templates = nil
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	check(encoder.Encode(groups))
}
