//! Addresses and networks: `ip('10.0.0.1')`, `cidr('10.0.0.0/8')` (`k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go`).

use super::{Answer, Returned, boolean, error, known, opaque, text_of};
use cel::common::types::{CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::extractors::This;
use cel::objects::Opaque;
use cel::{Context, DeclarationError, Env, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ip(IpAddr);

impl Opaque for Ip {
    fn runtime_type_name(&self) -> &str {
        "net.IP"
    }

    fn json(&self) -> Option<serde_json::Value> {
        Some(self.0.to_string().into())
    }
}

/// A network: an address, and how many of its bits count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cidr(IpAddr, u8);

impl Opaque for Cidr {
    fn runtime_type_name(&self) -> &str {
        "net.CIDR"
    }

    fn json(&self) -> Option<serde_json::Value> {
        Some(format!("{}/{}", self.0, self.1).into())
    }
}

impl Cidr {
    /// The network with the bits that do not count cleared.
    fn masked(&self) -> Cidr {
        let address = match self.0 {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.1)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.1)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
            }
        };
        Cidr(address, self.1)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.is_ipv4() == address.is_ipv4() && Cidr(address, self.1).masked() == self.masked()
    }
}

/// Reads an address; one of IPv4 in IPv6 and one with a zone are refused.
fn address(text: &str) -> Answer<IpAddr> {
    let failed = |why: &str| error("ip", why);
    let address: IpAddr = text.parse().map_err(|_| failed(&format!("IP Address {text:?} parse error during conversion from string")))?;
    match address {
        IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some() => Err(failed(&format!("IPv4-mapped IPv6 address {text:?} is not allowed"))),
        address => Ok(address),
    }
}

fn network(text: &str) -> Answer<Cidr> {
    let failed = || error("cidr", format!("network address parse error during conversion from string: {text:?}"));
    let (host, bits) = text.split_once('/').ok_or_else(failed)?;
    let host = address(host).map_err(|_| failed())?;
    let widest = if host.is_ipv4() { 32 } else { 128 };
    let plain = bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    bits.parse().ok().filter(|bits| plain && *bits <= widest).map(|bits| Cidr(host, bits)).ok_or_else(failed)
}

fn ip_of(value: &Value) -> Answer<IpAddr> {
    match value {
        Value::String(text) => address(text),
        other => known::<Ip>(other, "ip").map(|ip| ip.0),
    }
}

fn cidr_of(value: &Value) -> Answer<Cidr> {
    match value {
        Value::String(text) => network(text),
        other => known(other, "cidr"),
    }
}

/// Whether an address is one of those that are sent across networks to one receiver (Go's `IsGlobalUnicast`).
fn is_global_unicast(address: IpAddr) -> bool {
    let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    match address {
        IpAddr::V4(address) => !special && !address.is_broadcast() && !address.is_link_local(),
        IpAddr::V6(address) => !special && !address.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_canonical<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let text = text_of(&args, 0, "ip.isCanonical")?;
    address(&text).map(|address| boolean(address.to_string() == text))
}

/// What `string()` makes of the types here.
fn to_text<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let value = super::value_of(&args, 0, "string")?;
    let text = match (known::<Ip>(&value, "string"), known::<Cidr>(&value, "string")) {
        (Ok(ip), _) => ip.0.to_string(),
        (_, Ok(cidr)) => format!("{}/{}", cidr.0, cidr.1),
        (Err(error), _) => return Err(error),
    };
    Ok(CowVal::owned(CelString::from(text)))
}

/// Declares the functions of the namespace `ip`, and conversions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    use cel::common::types::Type;
    env.add_overload("ip.isCanonical", "ip.isCanonical(string)", vec![STRING_TYPE], is_canonical)?;
    env.add_overload("string", "string(net.IP)", vec![Type::new_opaque_type("net.IP")], to_text)?;
    env.add_overload("string", "string(net.CIDR)", vec![Type::new_opaque_type("net.CIDR")], to_text)
}

/// Adds the functions.
pub(super) fn add(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("isIP", |text: Arc<String>| address(&text).is_ok())?;
    context.add_function("isCIDR", |text: Arc<String>| network(&text).is_ok())?;
    context.add_function("ip", |This(of): This<Value>| match &of {
        Value::String(text) => address(text).map(|address| opaque(Ip(address))),
        other => known::<Cidr>(other, "ip").map(|cidr| opaque(Ip(cidr.0))),
    })?;
    context.add_function("cidr", |text: Arc<String>| network(&text).map(opaque))?;
    context.add_function("family", |This(of): This<Value>| known::<Ip>(&of, "family").map(|ip| if ip.0.is_ipv4() { 4_i64 } else { 6 }))?;
    context.add_function("isUnspecified", |This(of): This<Value>| known::<Ip>(&of, "isUnspecified").map(|ip| ip.0.is_unspecified()))?;
    context.add_function("isLoopback", |This(of): This<Value>| known::<Ip>(&of, "isLoopback").map(|ip| ip.0.is_loopback()))?;
    context.add_function("isLinkLocalMulticast", |This(of): This<Value>| {
        known::<Ip>(&of, "isLinkLocalMulticast").map(|ip| is_link_local_multicast(ip.0))
    })?;
    context.add_function("isLinkLocalUnicast", |This(of): This<Value>| {
        known::<Ip>(&of, "isLinkLocalUnicast").map(|ip| match ip.0 {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        })
    })?;
    context
        .add_function("isGlobalUnicast", |This(of): This<Value>| known::<Ip>(&of, "isGlobalUnicast").map(|ip| is_global_unicast(ip.0)))?;
    context.add_function("containsIP", |This(of): This<Value>, ip: Value| {
        Ok(known::<Cidr>(&of, "containsIP")?.contains(ip_of(&ip)?)) as Answer<bool>
    })?;
    context.add_function("containsCIDR", |This(of): This<Value>, inner: Value| {
        let (outer, inner) = (known::<Cidr>(&of, "containsCIDR")?, cidr_of(&inner)?);
        Ok(outer.1 <= inner.1 && outer.contains(inner.0)) as Answer<bool>
    })?;
    context.add_function("masked", |This(of): This<Value>| known::<Cidr>(&of, "masked").map(|cidr| opaque(cidr.masked())))?;
    context.add_function("prefixLength", |This(of): This<Value>| known::<Cidr>(&of, "prefixLength").map(|cidr| i64::from(cidr.1)))
}
