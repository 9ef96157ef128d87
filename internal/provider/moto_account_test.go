// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/tfcli"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/awssm"
)

// motoAccount is an account of its own on moto, in which the names of an example are
// free: moto is shared, and runs as long as the tests do. Requests pass through a
// proxy, which lets a test look at them, and corrects what moto answers.
// Source: https://docs.getmoto.org/en/latest/docs/multi_account.html
type motoAccount struct {
	id, url     string
	credentials aws.Credentials

	mu          sync.Mutex
	requests    []url.Values      // of services with the query protocol
	replicaKeys map[string]string // by region
}

func newMotoAccount(t *testing.T) *motoAccount {
	t.Helper()
	target, err := url.Parse(moto.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	number, err := rand.Int(rand.Reader, big.NewInt(9e11))
	if err != nil {
		t.Fatal(err)
	}
	a := &motoAccount{id: fmt.Sprint(number.Int64() + 1e11), replicaKeys: map[string]string{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = a.correct
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.look(r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL

	// moto takes credentials of an assumed role for those of its account.
	client := sts.NewFromConfig(aws.Config{
		Region: awsfake.DefaultRegion, BaseEndpoint: &a.url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "not-a-real-key", ""),
	})
	role, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + a.id + ":role/test"), RoleSessionName: aws.String("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.credentials = aws.Credentials{
		AccessKeyID: *role.Credentials.AccessKeyId, SecretAccessKey: *role.Credentials.SecretAccessKey, SessionToken: *role.Credentials.SessionToken,
	}
	return a
}

// look remembers what is requested, as far as a test or correct needs it.
func (a *motoAccount) look(r *http.Request, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(string(body)); err == nil {
			a.requests = append(a.requests, form)
		}
		return
	}
	var request struct {
		AddReplicaRegions []struct{ Region, KmsKeyId string }
	}
	if json.Unmarshal(body, &request) != nil {
		return
	}
	for _, replica := range request.AddReplicaRegions {
		a.replicaKeys[replica.Region] = replica.KmsKeyId
	}
}

// correct puts the key of a replica into the description of a secret. moto takes the
// argument and answers alias/aws/secretsmanager whatever it is.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html
func (a *motoAccount) correct(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer map[string]any
	if json.Unmarshal(body, &answer) == nil {
		replicas, _ := answer["ReplicationStatus"].([]any)
		for _, each := range replicas {
			if replica, ok := each.(map[string]any); ok {
				a.setKey(replica)
			}
		}
		if len(replicas) > 0 {
			if body, err = json.Marshal(answer); err != nil {
				return err
			}
		}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}

func (a *motoAccount) setKey(replica map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	region, _ := replica["Region"].(string)
	if key := a.replicaKeys[region]; key != "" {
		replica["KmsKeyId"] = key
	}
}

// asked returns the values of a parameter in the requests for an action.
func (a *motoAccount) asked(action, parameter string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var values []string
	for _, request := range a.requests {
		if request.Get("Action") == action && request.Has(parameter) {
			values = append(values, request.Get(parameter))
		}
	}
	return values
}

// config is for clients of the account in a region.
func (a *motoAccount) config(region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &a.url, Credentials: credentials.StaticCredentialsProvider{Value: a.credentials}}
}

// use lets a workspace use the account, as it would use AWS.
func (a *motoAccount) use(w *tfcli.Workspace) {
	for name, value := range map[string]string{
		"AWS_REGION": awsfake.DefaultRegion, "AWS_ENDPOINT_URL": a.url,
		"AWS_ACCESS_KEY_ID": a.credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY": a.credentials.SecretAccessKey, "AWS_SESSION_TOKEN": a.credentials.SessionToken,
	} {
		w.SetEnv(name, value)
	}
}

// backend is the account's Secrets Manager in a region.
func (a *motoAccount) backend(region string) backend {
	return backend{name: "moto", store: awssm.New(awssm.Config{
		Region: region, AccessKey: a.credentials.AccessKeyID, SecretKey: a.credentials.SecretAccessKey, Token: a.credentials.SessionToken,
		Endpoints: awssm.Endpoints{SecretsManager: a.url, KMS: a.url, STS: a.url},
	})}
}
