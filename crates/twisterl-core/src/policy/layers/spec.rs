//! Descriptions of layers ([`LayerSpec`]), and layers in their place in a network ([`Layer`]).

use super::kind::{AnyKind, fields_of};
use super::registry::{self, Description};
use super::{Embedding, Forward, LayerKind, MAX_WIDTH, Parameter, size};
use crate::error::from_serde::describe;
use crate::policy::arithmetic::Arithmetic;
use crate::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

/// A layer as a config or a file describes it: an object with its `type`, its `name` (in files), and the fields of its
/// kind. It is written with every default filled in.
#[derive(Debug, Clone)]
pub struct LayerSpec {
    name: Option<String>,
    kind: Arc<dyn AnyKind>,
    fields: Map<String, Value>,
}

impl LayerSpec {
    /// Describes a layer of this kind, without a name.
    ///
    /// # Errors
    /// If its data cannot be written as a JSON object.
    pub fn new<L: LayerKind>(kind: L) -> Result<Self> {
        let fields = fields_of(&kind)?;
        Ok(Self { name: None, kind: Arc::new(kind), fields })
    }

    /// Reads a layer from JSON.
    ///
    /// # Errors
    /// If its type is not known or a field is wrong, with the path below the layer.
    pub fn from_value(value: Value) -> Result<Self> {
        let Description { name, kind, fields } = registry::parse(value)?;
        Ok(Self { name, kind, fields })
    }

    /// Reads a list of layers from JSON.
    ///
    /// # Errors
    /// If it is no list, or as for [`from_value`](Self::from_value), with the path below the list.
    pub fn list(value: Value) -> Result<Vec<Self>> {
        let Value::Array(items) = value else {
            return Err(Error::config("", "a list of layers", describe(&value)));
        };
        let read = |(i, item)| Self::from_value(item).map_err(|e| e.below(&format!("[{i}]")));
        items.into_iter().enumerate().map(read).collect()
    }

    /// Sets the name, with which the names of its tensors begin.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Sets the name if it has none.
    #[must_use]
    pub fn or_named(mut self, name: impl FnOnce() -> String) -> Self {
        self.name.get_or_insert_with(name);
        self
    }

    /// The name of its kind.
    pub fn type_name(&self) -> &'static str {
        self.kind.type_name()
    }

    /// Returns its data, if it is of kind `L`.
    pub fn kind<L: LayerKind>(&self) -> Option<&L> {
        self.kind.as_any().downcast_ref()
    }
}

/// Writes its type and its fields other than widths, for messages: `linear activation=relu`.
impl Display for LayerSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())?;
        for (name, value) in &self.fields {
            match value {
                _ if ["inputs", "outputs"].contains(&name.as_str()) => {}
                Value::String(text) => write!(f, " {name}={text}")?,
                other => write!(f, " {name}={other}")?,
            }
        }
        Ok(())
    }
}

impl PartialEq for LayerSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.type_name(), &self.name, &self.fields)
            == (other.type_name(), &other.name, &other.fields)
    }
}

impl Eq for LayerSpec {}

impl Serialize for LayerSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let name = self.name.as_deref().map(|name| ("name", Value::from(name)));
        let head = std::iter::once(("type", Value::from(self.type_name()))).chain(name);
        let fields = self.fields.iter().map(|(key, value)| (key.as_str(), value.clone()));
        serializer.collect_map(head.chain(fields))
    }
}

impl<'de> Deserialize<'de> for LayerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(value)
            .map_err(|e| D::Error::custom(e.to_string().trim_start_matches(": ")))
    }
}

/// A layer in its place in a network: with a name, and the shapes of its input and output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "LayerSpec")]
pub struct Layer {
    name: String,
    spec: LayerSpec,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl From<Layer> for LayerSpec {
    fn from(layer: Layer) -> Self {
        layer.spec.named(layer.name)
    }
}

impl Layer {
    /// The name of the layer, with which the names of its tensors begin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The description of the layer, without its name.
    pub fn spec(&self) -> &LayerSpec {
        &self.spec
    }

    /// Returns its data, if it is of kind `L`.
    pub fn kind<L: LayerKind>(&self) -> Option<&L> {
        self.spec.kind()
    }

    /// The shape of its input, of one row.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    /// The shape of its output, of one row.
    pub fn output(&self) -> &[usize] {
        &self.output
    }

    /// The numbers of values of input and output, of one row.
    pub fn shape(&self) -> (usize, usize) {
        (size(&self.input), size(&self.output))
    }

    /// Returns its tensors, in their order in memory.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.spec.kind.parameters(&self.input)
    }

    /// Returns its tensors under their full names, which begin with that of the layer.
    pub fn named_parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.parameters();
        for parameter in &mut parameters {
            parameter.name = format!("{}.{}", self.name, parameter.name);
        }
        parameters
    }

    /// The number of values in its tensors.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|p| size(&p.shape)).fold(0, usize::saturating_add)
    }

    /// Lays it out for inference, all weights 0; `None` if it leaves the values as they are.
    ///
    /// # Errors
    /// If a layer within it does not fit.
    pub fn forward(&self, arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        self.spec.kind.forward(&self.input, arithmetic)
    }
}

/// The input of the first of several layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerInput<'a> {
    /// A sparse observation of this shape, given by its ones.
    Ones(&'a [usize]),
    /// Values of this shape.
    Values(&'a [usize]),
}

/// Places layers one after the other, the first on `source`. Layers without a name are named by their position.
///
/// # Errors
/// If a layer does not accept the shape before it, or its output is empty or too large. Paths begin with `part` and the
/// position of the layer.
pub fn place(layers: &[LayerSpec], part: &str, source: LayerInput<'_>) -> Result<Vec<Layer>> {
    let (LayerInput::Ones(shape) | LayerInput::Values(shape)) = source;
    let mut shape = shape.to_vec();
    let mut placed = Vec::with_capacity(layers.len());
    for (i, spec) in layers.iter().enumerate() {
        let here = |e: Error| e.below(&format!("{part}[{i}]"));
        let reads_ones = i == 0 && matches!(source, LayerInput::Ones(_));
        if spec.kind::<Embedding>().is_some() && !reads_ones {
            let found = format!("one on values of shape {shape:?}");
            let expected = "an embedding first, and only there, on sparse observations";
            return Err(here(Error::config("", expected, found)));
        }
        let output = spec.kind.output(&shape).map_err(here)?;
        if output.is_empty() || !(1..=MAX_WIDTH).contains(&size(&output)) {
            let expected = "a shape of 1 to 2^24 values";
            return Err(here(Error::config("", expected, format!("{output:?}"))));
        }
        let name = spec.name.clone().unwrap_or_else(|| i.to_string());
        let input = std::mem::replace(&mut shape, output.clone());
        placed.push(Layer { name, spec: spec.clone(), input, output });
    }
    Ok(placed)
}
