// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

// Command wget fetches a URL, the last of its arguments, and fails unless the answer
// is 200 OK. It is what the health checks of images need that hold nothing else.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(os.Args[len(os.Args)-1])
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s", response.Status)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wget:", err)
		os.Exit(1)
	}
}
