//! A controller of the Gateway API, `gateway.networking.k8s.io/v1`: GatewayClasses, Gateways, HTTPRoutes and ReferenceGrants.
//!
//! ```text
//! caches ─► plan (which route is attached to which listener) ─► status (what is written)
//!                 └─► a request: listener ─► matching (which rule) ─► filters (how it changes, which backend) ─► reverse_proxy
//! ```
//!
//! Each Gateway of its classes gets an address of the load balancer. What comes there is answered by the routes that are attached:
//!
//! | request | answer |
//! | --- | --- |
//! | the Gateway has no listener with the port | refused |
//! | no rule matches | 404 |
//! | the backend is not there, is no Service, or is in a namespace that permits no reference | 500 |
//! | the backend's Service has no ready endpoint | 503 |
//!
//! It models the specification (<https://gateway-api.sigs.k8s.io/>, v1.5), and NGINX Gateway Fabric where that leaves a choice.
//!
//! **Simplified here:** it runs beside the Pods and not in one, so a Gateway has no Deployment and no Service of its own, and its address, which
//! the cluster's own network has, comes at once. Only HTTPRoutes, over `HTTP` and `HTTPS`; the filters `RequestMirror`, `CORS` and
//! `ExtensionRef`, and timeouts, are not carried out; a route with a rule that is not supported is not accepted as a whole
//! (`PartiallyInvalid` does not occur). The name that a client of TLS asks for (SNI) is its
//! header `Host`; one that no listener is for gets a certificate that nobody believes.

mod controller;
mod filters;
mod hosts;
mod listeners;
mod matching;
mod plan;
mod references;
mod routes;
mod status;
mod types;

pub use controller::GatewayController;
pub use plan::GATEWAY_CONTROLLERS;
