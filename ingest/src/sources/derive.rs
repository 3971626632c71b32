//! Derivations that many sources share.
//!
//! In: the inputs of a derivation. Out: the value of its column. What only one source does stands in
//! that source's folder.

use virga_engine::event::ColumnValue;

use super::Inputs;
use super::net::{Address, without_port};

/// A text column's value.
pub(super) fn text(value: impl Into<String>) -> Option<ColumnValue> {
    Some(ColumnValue::Text(value.into()))
}

/// The first input that holds a text or number.
pub(super) fn first(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..inputs.len()).find_map(|input| inputs.scalar(input))?)
}

/// The same in lower case: names that a provider writes now so and now so.
pub(super) fn first_lower(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..inputs.len()).find_map(|input| inputs.scalar(input))?.to_lowercase())
}

/// The first input that holds a text, as the name of somebody: an address of mail is one however it is typed, and the
/// one that a directory has too; an id is what it is.
pub(super) fn first_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = (0..inputs.len()).find_map(|input| inputs.string(input))?;
    if name.contains('@') { text(name.to_lowercase()) } else { text(name) }
}

/// The first input that holds a number, also one in a string.
pub(super) fn number(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    (0..inputs.len()).find_map(|input| inputs.number(input)).map(ColumnValue::Float)
}

/// The first input that holds a whole number that is not negative, also one in a string: a count.
pub(super) fn count(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    (0..inputs.len()).find_map(|input| inputs.count(input)).map(ColumnValue::Int)
}

/// The first input's address, without a port.
pub(super) fn address(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let written = (0..inputs.len()).find_map(|input| inputs.string(input))?;
    text(without_port(&written))
}

/// What kind of thing stands where the address belongs.
pub(super) fn address_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let written = (0..inputs.len()).find_map(|input| inputs.string(input))?;
    text(Address::parse(&written).kind())
}

/// The network of the first input's address.
pub(super) fn address_network(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let written = (0..inputs.len()).find_map(|input| inputs.string(input))?;
    text(Address::parse(&written).network()?)
}

/// A model's or profile's own name. Of `arn:aws:bedrock:<region>:<account>:<type>/<name>` that is all
/// behind the type, so that a model is the same whether it is called by its id or by its ARN; the ARN
/// stays in `target`.
pub(super) fn bedrock_model(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    bedrock_model_of(&inputs.string(0)?)
}

/// The same, of an id.
pub(super) fn bedrock_model_of(id: &str) -> Option<ColumnValue> {
    let named = id.strip_prefix("arn:").and_then(|arn| Some(arn.split_once('/')?.1));
    text(named.filter(|name| !name.is_empty()).unwrap_or(id))
}

/// What follows a collection in a resource's name: of `projects/p/locations/l/endpoints/7` under
/// `endpoints`, the `7`.
pub(super) fn member_of<'n>(name: &'n str, collection: &str) -> Option<&'n str> {
    let mut segments = name.split('/');
    segments.find(|segment| *segment == collection)?;
    segments.next().filter(|id| !id.is_empty())
}
