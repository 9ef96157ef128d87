// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package compliance

import "slices"

// A Level is how bad the failure of a check is, in the words of SARIF.
type Level string

// The levels.
const (
	Error   Level = "error"
	Warning Level = "warning"
)

// A Check is something that is looked at.
type Check struct {
	ID    string // stays the same for good: alerts and filters refer to it
	Title string // what holds when it passes
	Help  string // what to do when it does not
	Level Level
	// Controls are those that a result may be evidence for. A result names the
	// ones that it is evidence for, which may be fewer.
	Controls []string
}

// The controls. Each is named with the edition that its number is from.
//
// Sources: PCI DSS v4.0.1, June 2024 (https://www.pcisecuritystandards.org/document_library/);
// NIST SP 800-63B-4, August 2025 (https://pages.nist.gov/800-63-4/sp800-63b.html);
// the AICPA's 2017 Trust Services Criteria with the points of focus of 2022 (SOC 2);
// 45 CFR 164.312 (HIPAA, https://www.ecfr.gov/current/title-45/section-164.312).
//
// Section 3.1.1.2 of SP 800-63B-4 is named for length and blocklist only. It forbids
// verifiers to demand periodic change and composition, so that nothing here about
// age, classes of characters or patterns is evidence for it.
const (
	pciKeyAccess     = "PCI DSS 4.0.1 3.6.1"   // keys are protected against disclosure and misuse
	pciKeyForm       = "PCI DSS 4.0.1 3.6.1.2" // keys are stored in one of the forms given, such as an HSM
	pciKeyGeneration = "PCI DSS 4.0.1 3.7.1"   // strong keys are generated
	pciKeyStorage    = "PCI DSS 4.0.1 3.7.3"   // keys are stored securely
	pciCryptoperiod  = "PCI DSS 4.0.1 3.7.4"   // keys are changed at the end of their cryptoperiod
	pciLeast         = "PCI DSS 4.0.1 7.2.5"   // application and system accounts have least privileges
	pciDenyAll       = "PCI DSS 4.0.1 7.3.3"   // access control denies by default
	pciMinimum       = "PCI DSS 4.0.1 8.3.6"   // 12 characters, letters and digits
	pciLastFour      = "PCI DSS 4.0.1 8.3.7"   // none of the last four
	pciNinetyDays    = "PCI DSS 4.0.1 8.3.9"   // changed every 90 days, if it is the only factor
	pciApplication   = "PCI DSS 4.0.1 8.6.3"   // application accounts: changed and complex as a risk analysis says
	nistPasswords    = "NIST SP 800-63B-4 3.1.1.2"
	socAccess        = "SOC 2 CC6.1" // logical access to protected information, keys and credentials included
	socAnomalies     = "SOC 2 CC7.2" // components are monitored for anomalies
	socAvailability  = "SOC 2 A1.2"  // recovery infrastructure is operated and monitored
	hipaaAccess      = "HIPAA 164.312(a)(1)"
	hipaaEncryption  = "HIPAA 164.312(a)(2)(iv)"
	hipaaIdentity    = "HIPAA 164.312(d)"
)

// The checks.
const (
	fileMode        = "file_mode"
	policyRecorded  = "policy_recorded"
	keyCustomer     = "key_customer_managed"
	keyEnabled      = "key_enabled"
	keyRotation     = "key_rotation"
	keyHSM          = "key_hsm"
	replicaInSync   = "replica_in_sync"
	resourcePolicy  = "resource_policy_not_public"
	noPending       = "no_pending_version"
	policyFloor     = "policy_floor"
	valueAge        = "value_age"
	valueStrength   = "value_strength"
	valueLength     = "value_length"
	valueEncoding   = "value_encoding"
	valueCharacters = "value_characters"
	valueClasses    = "value_classes"
	valuePatterns   = "value_patterns"
	valueBlocklist  = "value_blocklist"
	valueReuse      = "value_reuse"
)

var checks = []Check{
	{
		ID: fileMode, Level: Error,
		Title:    "Only their owner can use the files of the embedded store",
		Help:     "Give folders mode 0700 and files mode 0600. The reason shows the command.",
		Controls: []string{pciDenyAll, socAccess, hipaaAccess},
	},
	{
		ID: policyRecorded, Level: Warning,
		Title: "The secret says what its values must be",
		Help: "Manage the secret with a roi_secret, which writes the policy of each value into its tags. Without it nothing says what a value must be, " +
			"and the checks of values are left out.",
	},
	{
		ID: keyCustomer, Level: Error,
		Title:    "The KMS key is customer-managed",
		Help:     "Set kms_key_id. The policy, the grants and the rotation of a key that AWS manages are not yours to decide.",
		Controls: []string{pciKeyAccess, socAccess, hipaaEncryption},
	},
	{
		ID: keyEnabled, Level: Error,
		Title:    "The KMS key is there and enabled",
		Help:     "Enable the key, cancel its deletion, or give the secret another one. Until then its values cannot be read, and after a deletion never again.",
		Controls: []string{socAccess, hipaaEncryption},
	},
	{
		ID: keyRotation, Level: Warning,
		Title:    "The KMS key is rotated",
		Help:     "Turn automatic rotation on: aws kms enable-key-rotation --key-id KEY",
		Controls: []string{pciCryptoperiod, socAccess, hipaaEncryption},
	},
	{
		ID: keyHSM, Level: Error,
		Title: "The KMS key is in an HSM of your own",
		Help: "Use a key from a CloudHSM or an external key store. Only looked at where the provider sets kms = { require_hsm = true }: " +
			"every KMS key is in a hardware security module of AWS.",
		Controls: []string{pciKeyForm, pciKeyStorage, socAccess, hipaaEncryption},
	},
	{
		ID: replicaInSync, Level: Error,
		Title:    "The replica is in sync",
		Help:     "Look at the reason. A replica that failed is replicated anew: aws secretsmanager replicate-secret-to-regions --secret-id SECRET --add-replica-regions Region=REGION",
		Controls: []string{socAvailability, socAnomalies},
	},
	{
		ID: resourcePolicy, Level: Error,
		Title: "No resource policy opens the secret to everyone",
		Help: "Name the principals, or narrow the statement by a condition with fixed values, such as aws:PrincipalOrgID. " +
			"Then put the policy with --block-public-policy, so that AWS refuses a public one.",
		Controls: []string{pciLeast, pciDenyAll, socAccess, hipaaAccess},
	},
	{
		ID: noPending, Level: Warning,
		Title: "No rotation was left unfinished",
		Help: "Find out what happened to the rotation that made the version with AWSPENDING. If nobody finishes it, take the label away: " +
			"aws secretsmanager update-secret-version-stage --secret-id SECRET --version-stage AWSPENDING --remove-from-version-id VERSION",
		Controls: []string{socAnomalies},
	},
	{
		ID: policyFloor, Level: Error,
		Title:    "The recorded policy is at least what the environment demands",
		Help:     "Raise the policy in its roi_secret and apply: the value is then made anew.",
		Controls: []string{pciApplication, socAccess, hipaaIdentity},
	},
	{
		ID: valueAge, Level: Error,
		Title: "The value is younger than its rotation interval",
		Help: "Rotate it: plan and apply its roi_secret_rotation, or supply a new value. The interval is to come from your own risk analysis; " +
			"NIST SP 800-63B-4 asks for none.",
		Controls: []string{pciCryptoperiod, pciNinetyDays, pciApplication, socAccess},
	},
	{
		ID: valueStrength, Level: Error,
		Title: "The value is hard to guess",
		Help: "Generate the value instead of supplying it. A generated value is judged by what its policy guarantees, a supplied one by estimates: " +
			"zxcvbn, Shannon entropy, min_entropy_bits.",
		Controls: []string{pciKeyGeneration, pciApplication, socAccess, hipaaIdentity},
	},
	{
		ID: valueLength, Level: Error,
		Title:    "The value is as long as its policy wants, and 12 characters at least",
		Help:     "Generate the value under its policy, or supply a longer one.",
		Controls: []string{pciMinimum, pciApplication, nistPasswords, socAccess, hipaaIdentity},
	},
	{
		ID: valueEncoding, Level: Warning,
		Title: "The value is encoded as its policy says",
		Help:  "Generate or supply a value of that encoding: what decodes it will refuse any other.",
	},
	{
		ID: valueCharacters, Level: Warning,
		Title: "The value has no character that its policy forbids",
		Help:  "Generate or supply a value without them. They are forbidden because they end or change a value in a connection URL, a literal or a file.",
	},
	{
		ID: valueClasses, Level: Warning,
		Title:    "The value has the classes of characters that its policy wants",
		Help:     "Generate the value under its policy. NIST SP 800-63B-4 does not want such rules for passwords that people choose.",
		Controls: []string{pciMinimum, pciApplication, socAccess},
	},
	{
		ID: valuePatterns, Level: Error,
		Title:    "The value has no run of identical characters and no sequence",
		Help:     "Generate the value under its policy, or supply one that is random.",
		Controls: []string{pciApplication, socAccess},
	},
	{
		ID: valueBlocklist, Level: Error,
		Title:    "The value is no known weak password and no placeholder",
		Help:     "Replace it at once: whatever it protects is open to everyone who tries the usual ones.",
		Controls: []string{pciApplication, nistPasswords, socAccess, hipaaIdentity},
	},
	{
		ID: valueReuse, Level: Error,
		Title:    "The value is none of the four before it",
		Help:     "Supply a new value. One that was used before may be known to those who knew it then.",
		Controls: []string{pciLastFour, socAccess},
	},
}

// Checks returns all checks, in the order in which they are reported.
func Checks() []Check { return slices.Clone(checks) }

func position(id string) int {
	return slices.IndexFunc(checks, func(c Check) bool { return c.ID == id })
}
