// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"os"
	"testing"

	"github.com/roi-systems/terraform-provider-roi/internal/acctest/leak"
)

// The values are in the file and its copies, which the user asked for, and nowhere
// else: not in the record beside it either.
func TestEnvFileLeaksNothing(t *testing.T) {
	t.Parallel()
	overEnvFileStores(t, func(t *testing.T, c *cli) {
		c.apply(envSecrets, envFile())
		c.pass(91 * day)
		c.PlanJSON()
		c.Run("apply", "-input=false", "-no-color", "tfplan").Require(t, 0)
		if err := os.WriteFile(c.file(".env"), []byte(c.read(".env")+"MORE=1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		c.Plan().Require(t, 2)
		c.Apply().Require(t, 0)
		if c.fake != nil {
			c.fake.Deny("secretsmanager:GetSecretValue")
			c.Apply("-replace=roi_env_file.test").Require(t, 1)
			c.fake.AllowAll()
			c.Apply().Require(t, 0)
		}
		c.Show()
		c.nothingToDo()
		scanner := leak.New(t)
		c.learn(scanner, "app/all")
		c.learn(scanner, "app/one")
		if findings := scanner.Files(c.file("."), ".terraform"); len(findings) == 0 {
			t.Error("the values are not in the files either, so the search proves nothing")
		}
		c.LeakCheck(scanner, ".env", ".env.roi/previous", ".env.roi/replaced-*")
		c.Destroy().Require(t, 0)
		c.LeakCheck(scanner, ".env.roi/replaced-*")
	})
}
