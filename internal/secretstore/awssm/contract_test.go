// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awssm

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/awsfake"
	"github.com/roi-systems/terraform-provider-roi/internal/acctest/moto"
	"github.com/roi-systems/terraform-provider-roi/internal/secretstore/storetest"
)

// briefly is how long the contract tests wait for a secret to appear: neither
// service lags unless asked to, and they ask for much that does not exist.
const briefly = time.Millisecond

func TestContractMoto(t *testing.T) {
	url := moto.Start(t)
	config := testConfig(t, url)
	config.MaxRetries = aws.Int(2) // moto answers some requests with status 500, again and again
	store := New(config)
	store.settle = briefly
	keys := [2]string{motoKey(t, store), motoKey(t, store)}
	key, err := store.DescribeKey(t.Context(), keys[0], "")
	if err != nil {
		t.Fatal(err)
	}
	if key.ARN != keys[0] || key.State != "Enabled" || key.Manager != "CUSTOMER" || key.Rotation == nil || *key.Rotation {
		t.Errorf("a new key is %+v", key)
	}
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		return storetest.Fixture{
			Store:      store,
			Keys:       keys,
			ReplicaKey: keys[1],
			Regions:    [2]string{"eu-west-1", "us-east-1"},
			Quirks: []storetest.Quirk{
				storetest.VersionDates,
				storetest.PendingReplay,
				storetest.CreateScheduled,
				storetest.WriteScheduled,
				storetest.AddLabel,
				storetest.RemoveCurrent,
				storetest.MoveToUnknown,
				storetest.PutCurrent,
				storetest.KeepDescription,
				storetest.VersionsOfUnknown,
				storetest.ReplicaKeys,
				storetest.NoNameRules,
				storetest.NoLabelLimit,
				storetest.NoTagRules,
				storetest.NoLocking,
			},
		}
	})
}

// motoKey makes a key in moto and returns its ARN.
func motoKey(t *testing.T, store *Store) string {
	t.Helper()
	conn, err := store.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := store.kmsClient(conn, testRegion).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func TestContractFake(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Fixture {
		fake := awsfake.Start(t)
		regions := [2]string{"eu-west-1", "us-east-1"}
		// A key of a replica is one of its own region, so that only an alias can
		// mean a key here and there.
		keys := [2]string{"alias/one", "alias/two"}
		for _, region := range append(regions[:], testRegion) {
			for _, alias := range keys {
				fake.AddKey(awsfake.Key{Region: region, Aliases: []string{alias}})
			}
		}
		store := New(testConfig(t, fake.URL()))
		store.settle = briefly
		return storetest.Fixture{
			Store:      store,
			Advance:    fake.Advance,
			Keys:       keys,
			ReplicaKey: keys[1],
			Regions:    regions,
		}
	})
}
