// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package swarm

import (
	"context"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"pgregory.net/rapid"
)

func drawLabels(t *rapid.T, label string) map[string]string {
	key := rapid.SampledFrom([]string{"a", "b.c", "com.example", "roi", "roix."})
	return rapid.MapOf(key, rapid.String()).Draw(t, label)
}

// What is written into labels is read from them.
func TestLabelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		v := Version{
			ID: "id", Name: "app-v3", Number: 3, Ours: true, Labels: drawLabels(t, "labels"),
			Source:  Source{text.Draw(t, "secret"), text.Draw(t, "key"), text.Draw(t, "version"), text.Draw(t, "supplied")},
			last:    rapid.IntRange(0, 99).Draw(t, "last"),
			pending: rapid.Bool().Draw(t, "pending"),
		}
		docker := map[string]string{"com.docker.stack.namespace": "shop"}
		before := maps.Clone(docker)
		maps.Copy(before, map[string]string{"gone": "x", "roi.pending": "true", "roi.key": "old", "roi.whatever": "x"})
		labels := labelsFor(v, before)
		got := versionOf(swarm.Secret{ID: v.ID, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: v.Name, Labels: labels}}})
		if diff := cmp.Diff(v, got, cmp.AllowUnexported(Version{})); diff != "" {
			t.Fatalf("version (-written +read):\n%s", diff)
		}
		if labels["com.docker.stack.namespace"] != "shop" || labels["gone"] != "" || labels["roi.whatever"] != "" {
			t.Fatalf("labels are %v", labels)
		}
		if err := CheckLabels(v.Labels); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCheckLabels(t *testing.T) {
	for _, key := range []string{"", "roi.name", "roi.x", "com.docker.stack.namespace", "io.docker.x", "org.dockerproject.x"} {
		if CheckLabels(map[string]string{"fine": "x", key: "x"}) == nil {
			t.Errorf("the key %q is not refused", key)
		}
	}
}

// Name and labels have to agree for an object to be ours.
func TestOurs(t *testing.T) {
	for _, tc := range []struct {
		name, base, number string
		want               bool
	}{
		{"app-v3", "app", "3", true},
		{"app-v3", "app", "2", false},
		{"app-v3", "App", "3", false},
		{"app-v3", "", "", false},
		{"app", "app", "0", false},
		{"app", "", "0", false},
	} {
		labels := map[string]string{labelName: tc.base, labelVersion: tc.number, labelVersionID: "x", labelPending: "true"}
		v := versionOf(swarm.Secret{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: tc.name, Labels: labels}}})
		if v.Ours != tc.want || !tc.want && (v.Source != Source{} || v.pending) {
			t.Errorf("%q with labels of %q %q: %+v", tc.name, tc.base, tc.number, v)
		}
	}
}

// Of what is pending, only other versions of the same secret are left over, and
// Docker is asked once.
func TestUnfinished(t *testing.T) {
	var list pendingList
	for _, labels := range []map[string]string{
		{labelName: "key", labelVersion: "1"},
		{labelName: "key", labelVersion: "2", labelPending: "true"},
		{labelName: "key", labelVersion: "3", labelPending: "true"},
		{labelName: "other", labelVersion: "4", labelPending: "true"},
	} {
		list.items = append(list.items, swarm.Secret{ID: labels[labelVersion], Spec: swarm.SecretSpec{
			Annotations: swarm.Annotations{Name: labels[labelName] + "-v" + labels[labelVersion], Labels: labels},
		}})
	}
	list.items = append(list.items, swarm.Secret{ID: "5", Spec: swarm.SecretSpec{
		Annotations: swarm.Annotations{Name: "key-v5", Labels: list.items[1].Spec.Labels}, // a copy of labels
	}})
	s := &Swarm{API: &list}
	for range 2 {
		got, err := s.Unfinished(t.Context(), Version{ID: "3", Name: "key-v3"})
		if diff := cmp.Diff([]string{"key-v2"}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if list.calls != 1 {
		t.Errorf("%d requests", list.calls)
	}
}

type pendingList struct {
	API
	items []swarm.Secret
	calls int
}

func (l *pendingList) SecretList(context.Context, client.SecretListOptions) (client.SecretListResult, error) {
	l.calls++
	return client.SecretListResult{Items: l.items}, nil
}
