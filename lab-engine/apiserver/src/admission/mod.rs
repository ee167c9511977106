//! Admission: plugins that change what is to be written, before validation, and check it, after validation (`plugin/pkg/admission`).
//!
//! The plugins that a real server runs by default, in its order (`pkg/kubeapiserver/options/plugins.go`):
//!
//! | plugin | here |
//! |---|---|
//! | NamespaceLifecycle | yes |
//! | LimitRanger | yes |
//! | ServiceAccount | yes |
//! | TaintNodesByCondition | no: the node lifecycle controller alone taints |
//! | PodSecurity | yes, without audit annotations |
//! | Priority | yes |
//! | DefaultTolerationSeconds | yes |
//! | DefaultStorageClass | yes |
//! | StorageObjectInUseProtection | yes |
//! | PersistentVolumeClaimResize | yes |
//! | RuntimeClass | overhead and scheduling |
//! | CertificateApproval, CertificateSigning, CertificateSubjectRestriction | yes, in `signers.rs`, since they ask the authorizer |
//! | ClusterTrustBundleAttest | no |
//! | DefaultIngressClass | yes |
//! | PodTopologyLabels | no |
//! | MutatingAdmissionPolicy, MutatingAdmissionWebhook | no |
//! | ValidatingAdmissionPolicy | yes |
//! | ValidatingAdmissionWebhook | no |
//! | ResourceQuota | yes, in `quota.rs`, since it writes |
//!
//! NodeRestriction, which kubeadm adds, is `node_authorizer.rs`.
//!
//! **Simplified here:** what the server itself writes passes the plugins that complete objects, not those that judge by user or policy.

pub mod limit_ranger;
mod plugins;
pub mod pod_security;
mod policies;
pub mod resource_quota;
mod scheduling;
mod service_account;
mod volumes;

use crate::cache::Cache;
use crate::server::Config;
use crate::storage;
use crate::subresource::Subresource;
use crate::user::Info;
use api::core::{LimitRange, Pod};
use api::kinds::{Kind, KindInfo};
use api::status::Status;
use api::{Object, Resource};
pub(crate) use service_account::{TOKEN_SECONDS, TokenVolume, awaits_account};
use std::sync::Arc;

/// What a request does with the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

/// A request on its way through the plugins (`admission.Attributes`).
pub(crate) struct Admission<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) config: &'a Config,
    pub(crate) token_volume: &'a TokenVolume,
    pub(crate) info: &'a Kind,
    pub(crate) subresource: Subresource,
    /// Who asks; `None` for the server itself.
    pub(crate) user: Option<&'a Info>,
    pub(crate) operation: Operation,
    pub(crate) dry_run: bool,
    /// The object before, of an update or deletion.
    pub(crate) old: Option<&'a Object>,
    /// What the sender is to be told.
    pub(crate) warnings: Vec<String>,
}

impl Admission<'_> {
    /// Tells the sender something, once.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Changes an object that is to be created.
    ///
    /// # Errors
    /// The refusal of a plugin.
    pub(crate) fn mutate(&mut self, object: &mut Object) -> Result<(), Box<Status>> {
        plugins::namespace_lifecycle(self.cache, self.info, object)?;
        match object {
            Object::Pod(shared) => {
                let ranges = limit_ranges(self.cache, &Object::Pod(shared.clone()));
                let pod = Arc::make_mut(shared);
                ranges.iter().for_each(|range| limit_ranger::set_defaults(pod, range));
                service_account::admit(self.cache, self.token_volume, pod)?;
                plugins::priority(self.cache, pod)?;
                plugins::default_toleration_seconds(pod);
                scheduling::runtime_class(self.cache, pod)
            }
            Object::PersistentVolumeClaim(claim) => {
                let claim = Arc::make_mut(claim);
                volumes::default_storage_class(self.cache, claim);
                volumes::protect(&mut claim.metadata, "pvc");
                Ok(())
            }
            Object::PersistentVolume(volume) => {
                volumes::protect(&mut Arc::make_mut(volume).metadata, "pv");
                Ok(())
            }
            Object::Ingress(ingress) => {
                volumes::default_ingress_class(self.cache, Arc::make_mut(ingress));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks an object that is to be created, or takes the place of another.
    ///
    /// # Errors
    /// The refusal of a plugin.
    pub(crate) fn validate(&mut self, object: &Object) -> Result<(), Box<Status>> {
        // What a Pod asks for does not change, and what is on its way out may always be changed.
        if matches!(self.subresource, Subresource::None | Subresource::Scale) {
            let fixed = self.old.is_some() && (*self.info == *Pod::INFO || object.metadata().is_deleting());
            if !fixed {
                check_ranges(self.info, object, &limit_ranges(self.cache, object))?;
            }
            if self.subresource == Subresource::None && self.user.is_some() {
                pod_security::validate(self, object)?;
            }
            volumes::check_resize(self.cache, object, self.old)?;
        }
        policies::validate(self, Some(object))
    }

    /// Checks a deletion of what is `old`.
    ///
    /// # Errors
    /// The refusal of a plugin.
    pub(crate) fn validate_delete(&mut self) -> Result<(), Box<Status>> {
        policies::validate(self, None)
    }
}

/// The LimitRanges that are asked about an object, by name.
fn limit_ranges(cache: &Cache, object: &Object) -> Vec<Arc<LimitRange>> {
    if !matches!(object.kind(), "Pod" | "PersistentVolumeClaim") {
        return Vec::new();
    }
    let prefix = storage::namespace_prefix(LimitRange::INFO, &object.metadata().namespace);
    cache.range(&prefix, "").filter_map(|(_, object)| object.as_kind::<LimitRange>().cloned()).collect()
}

fn check_ranges(info: &KindInfo, object: &Object, ranges: &[Arc<LimitRange>]) -> Result<(), Box<Status>> {
    let mut ranges = ranges.iter();
    let refused = |why: String| Box::new(Status::forbidden(&info.gvr(), &object.metadata().name, &why));
    ranges.try_for_each(|range| limit_ranger::check(object, range).map_err(refused))
}
