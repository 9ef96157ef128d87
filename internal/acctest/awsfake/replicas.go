// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package awsfake

import (
	"slices"
	"strings"
	"time"
)

// Replication status (service model, StatusType).
const (
	inSync     = "InSync"
	inProgress = "InProgress"
	failed     = "Failed"
)

// replica is one region that a secret is replicated to, as its primary knows it.
type replica struct {
	region  string
	keyID   string
	force   bool
	status  string
	message string
}

type replicaRegion struct {
	Region   string
	KmsKeyID string `json:"KmsKeyId"`
}

type replicationStatus struct {
	Region        string
	KmsKeyID      string `json:"KmsKeyId,omitempty"`
	Status        string
	StatusMessage string `json:",omitempty"`
}

func (rec *record) replicationStatus() []replicationStatus {
	var out []replicationStatus
	for _, rep := range rec.replicas {
		out = append(out, replicationStatus{rep.region, rep.keyID, rep.status, rep.message})
	}
	return out
}

// HoldReplicas keeps replication InProgress, and replicas as they are, until
// ReleaseReplicas. Without it the response that begins a replication says
// InProgress and the next one InSync.
func (s *Server) HoldReplicas() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdReplicas = true
}

// ReleaseReplicas lets replication go on.
func (s *Server) ReleaseReplicas() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdReplicas = false
}

// addReplicas asks for replicas of a secret.
func (r *request) addReplicas(rec *record, regions []replicaRegion, force bool) error {
	for _, want := range regions {
		if want.Region == "" || want.Region == r.here.region {
			return invalidParameter("Invalid replica region: '%s'.", want.Region) // wording assumed
		}
		i := slices.IndexFunc(rec.replicas, func(rep *replica) bool { return rep.region == want.Region })
		switch {
		case i >= 0 && rec.replicas[i].status != failed:
			return invalidParameter("The secret is already replicated to %s.", want.Region) // wording assumed
		case i >= 0:
			rec.replicas = slices.Delete(rec.replicas, i, i+1)
		}
		rec.replicas = append(rec.replicas, &replica{region: want.Region, keyID: want.KmsKeyID, force: force, status: inProgress})
	}
	if len(rec.replicas) > 0 {
		rec.primaryRegion = r.here.region
	}
	return nil
}

type primarySecret struct {
	space *space
	name  string
}

// propagate notes that a primary's replicas have to follow it.
func (s *Server) propagate(sp *space, rec *record) {
	if at := (primarySecret{sp, rec.name}); !slices.Contains(s.unsynced, at) {
		s.unsynced = append(s.unsynced, at)
	}
}

func (s *Server) syncReplicas() {
	if s.holdReplicas {
		return
	}
	for _, at := range s.unsynced {
		if rec := at.space.secrets[at.name]; rec != nil {
			for _, rep := range rec.replicas {
				s.syncReplica(at.space, rec, rep)
			}
		}
	}
	s.unsynced = nil
}

// syncReplica makes a replica equal to its primary. "Value, tags and resource
// policy follow; the ARN is the same except for the Region":
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
func (s *Server) syncReplica(from *space, rec *record, rep *replica) {
	if rep.status == failed {
		return
	}
	to := s.space(from.account, rep.region)
	arn := replicaARN(rec.arn, from.region, rep.region)
	old := to.secrets[rec.name]
	ours := old != nil && old.arn == arn && old.primaryRegion == from.region
	// Service model, ReplicationStatusType: "Secret with this name already exists
	// in this region". ForceOverwriteReplicaSecret overwrites it.
	if old != nil && !ours && !rep.force {
		rep.status, rep.message = failed, "Secret with this name already exists in this region"
		return
	}
	// Source: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1459
	// (a wrong key makes the replica fail, not the request).
	there := &request{Server: s, call: &Call{Service: secretsManager}, here: to, at: s.now()}
	key, err := there.encryptionKey(rep.keyID)
	if err != nil {
		rep.status, rep.message = failed, "The KMS key is not valid in this region"
		return
	}
	twin := rec.clone()
	twin.arn, twin.keyID, twin.replicas, twin.accessed, twin.previous = arn, rep.keyID, nil, time.Time{}, nil
	twin.created = s.now()
	if ours {
		twin.created, twin.accessed = old.created, old.accessed
	}
	for _, v := range twin.versions {
		v.key, v.keyGiven = key, rep.keyID
	}
	to.secrets[rec.name] = twin
	rep.status, rep.message = inSync, ""
}

func replicaARN(arn, from, to string) string {
	return strings.Replace(arn, ":"+from+":", ":"+to+":", 1)
}

// updateReplicaKey: the key is all that can be changed on a replica.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/standalone-secret.html
func (r *request) updateReplicaKey(rec *record, keyID string) (any, error) {
	rec = rec.clone()
	if err := r.changeKey(rec, keyID); err != nil {
		return nil, err
	}
	if primary := r.space(r.here.account, rec.primaryRegion).secrets[rec.name]; primary != nil {
		for _, rep := range primary.replicas {
			if rep.region == r.here.region {
				rep.keyID = keyID
			}
		}
	}
	r.commit(rec)
	return updateSecretOutput{ARN: rec.arn, Name: rec.name}, nil
}

type replicationOutput struct {
	ARN               string
	ReplicationStatus []replicationStatus
}

type replicateSecretInput struct {
	SecretID                    string `json:"SecretId"`
	AddReplicaRegions           []replicaRegion
	ForceOverwriteReplicaSecret bool
}

func (r *request) replicateSecretToRegions(in replicateSecretInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if len(in.AddReplicaRegions) == 0 {
		return nil, invalidParameter("AddReplicaRegions must not be empty.") // service model: "This member is required."
	}
	if err := r.addReplicas(rec, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret); err != nil {
		return nil, err
	}
	r.commit(rec)
	return replicationOutput{rec.arn, rec.replicationStatus()}, nil
}

type removeRegionsInput struct {
	SecretID             string `json:"SecretId"`
	RemoveReplicaRegions []string
}

func (r *request) removeRegionsFromReplication(in removeRegionsInput) (any, error) {
	rec, err := r.change(in.SecretID)
	if err != nil {
		return nil, err
	}
	if len(in.RemoveReplicaRegions) == 0 {
		return nil, invalidParameter("RemoveReplicaRegions must not be empty.") // service model: "This member is required."
	}
	for _, region := range in.RemoveReplicaRegions {
		i := slices.IndexFunc(rec.replicas, func(rep *replica) bool { return rep.region == region })
		if i < 0 {
			return nil, invalidParameter("The secret is not replicated to %s.", region) // wording assumed
		}
		rec.replicas = slices.Delete(rec.replicas, i, i+1)
	}
	if len(rec.replicas) == 0 {
		rec.primaryRegion = ""
	}
	for _, region := range in.RemoveReplicaRegions {
		// Service model, DeleteSecret: "When you delete a replica, it is deleted
		// immediately." A secret that only has the same name stays.
		there := r.space(r.here.account, region).secrets
		if twin := there[rec.name]; twin != nil && twin.arn == replicaARN(rec.arn, r.here.region, region) {
			delete(there, rec.name)
		}
	}
	r.commit(rec)
	return replicationOutput{rec.arn, rec.replicationStatus()}, nil
}

type stopReplicationOutput struct{ ARN string }

// stopReplicationToReplica: "You must call this operation from the Region in
// which you want to promote the replica to a primary secret" (service model).
func (r *request) stopReplicationToReplica(in describeSecretInput) (any, error) {
	rec, err := r.find(in.SecretID)
	if err != nil {
		return nil, err
	}
	if !rec.isReplica(r.here.region) {
		return nil, invalidParameter("The secret is not a replica.") // wording assumed
	}
	if primary := r.space(r.here.account, rec.primaryRegion).secrets[rec.name]; primary != nil {
		primary.replicas = slices.DeleteFunc(primary.replicas, func(rep *replica) bool { return rep.region == r.here.region })
		if len(primary.replicas) == 0 {
			primary.primaryRegion = ""
		}
	}
	rec = rec.clone()
	rec.primaryRegion = ""
	r.commit(rec)
	return stopReplicationOutput{rec.arn}, nil
}

// deletable fails for secrets that DeleteSecret refuses.
func (rec *record) deletable(region string) error {
	switch {
	case rec.isReplica(region):
		// Assumed: as for every other change, see change.
		return invalidParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
	case len(rec.replicas) > 0:
		// Service model: "You can't delete a primary secret that is replicated to
		// other Regions. You must first delete the replicas using
		// RemoveRegionsFromReplication."
		var regions []string
		for _, rep := range rec.replicas {
			regions = append(regions, rep.region)
		}
		return invalidParameter("You can't delete secret %s that still has replica regions [%s].", rec.arn, strings.Join(regions, ", "))
	case rec.owningService != "":
		return invalidRequest("The secret is managed by another service (%s), and you must use that service to delete it.", rec.owningService)
	}
	return nil
}
