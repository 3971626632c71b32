//! `cidr`: the address is in the network. An address alone is a network of one.

use super::{Apply, Example, Fault, Modifier, Value};
use ipnet::IpNet;

use crate::diagnostic::codes;
use crate::predicate::parse_address;

fn network(value: Value) -> Result<Value, Fault> {
    let Value::Pattern(pattern) = &value else {
        return Err(Fault::value(format!("`cidr` needs a text, not {}", value.word())));
    };
    let text = pattern.as_literal().unwrap_or_default();
    let bad = |cause: String| Fault { code: codes::BAD_CIDR, cause, help: String::new() };
    let network: IpNet = match (text.parse::<IpNet>(), parse_address(text)) {
        (Ok(network), _) => network,
        (Err(_), Some(address)) => address.into(),
        (Err(_), None) => {
            return Err(bad(format!("`{text}` is no network")).with_help("write it as `10.0.0.0/8`"));
        }
    };
    if network.trunc() != network {
        return Err(bad(format!("`{text}` has bits set behind its prefix"))
            .with_help(format!("did you mean `{}`?", network.trunc())));
    }
    Ok(Value::Cidr(network))
}

pub(super) static MODIFIER: Modifier = Modifier {
    name: "cidr",
    summary: "The address is in the network, IPv4 or IPv6.",
    example: Example {
        selection: r#"sourceIPAddress|cidr: 10.0.0.0/8"#,
        matches: r#"{"sourceIPAddress":"10.1.2.3"}"#,
        misses: r#"{"sourceIPAddress":"11.1.2.3"}"#,
    },
    apply: Apply::Value(network),
};
