//! `continue`: where a list in pages goes on (`k8s.io/apiserver/pkg/storage/continue.go`).
//!
//! A token is JSON in URL-safe Base64 without padding: the version of its format, the revision at which the whole list is true, and the
//! key of the next object below the resource's prefix. Clients must not read it, but they can; whoever writes one gets no further than
//! the resource that the request names.

use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The version of the format.
const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// The revision at which the list is true.
    pub revision: u64,
    /// The first key that may come next, below the prefix of the resource and without its slash: `default/web\0`.
    pub start: String,
}

fn malformed(why: &str) -> Box<Status> {
    Box::new(Status::bad_request(format!("continue key is not valid: {why}")))
}

impl Continue {
    /// The token.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!({"v": VERSION, "rv": self.revision, "start": self.start}).to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 when it is none, is of another version, has no revision or no key, or its key would lead out of the resource (`..`, `.`).
    pub fn decode(token: &str) -> Result<Self, Box<Status>> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|error| malformed(&error.to_string()))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
        let version = token["v"].as_str().unwrap_or_default();
        if version != VERSION {
            return Err(malformed(&format!("server does not recognize this encoded version {version:?}")));
        }
        let revision = match token["rv"].as_i64().map(u64::try_from) {
            Some(Ok(revision @ 1..)) => revision,
            // A list that went on at whatever is current; ours never hands such tokens out.
            _ => return Err(malformed("incorrect encoded start resourceVersion")),
        };
        let start = token["start"].as_str().filter(|start| !start.is_empty()).ok_or_else(|| malformed("encoded start key empty"))?;
        let start = start.strip_prefix('/').unwrap_or(start);
        if start.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(malformed("encoded start key leads out of the resource"));
        }
        Ok(Continue { revision, start: start.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = Continue { revision: 7, start: "default/web\0".to_owned() };
        assert_eq!(Continue::decode(&token.encode()).unwrap(), token);
    }

    #[test]
    fn a_token_cannot_lead_elsewhere() {
        for start in ["../secrets/x", "a/../../b", "./a", ".."] {
            let token = Continue { revision: 7, start: start.to_owned() }.encode();
            assert_eq!(Continue::decode(&token).unwrap_err().code, 400, "{start}");
        }
    }
}
