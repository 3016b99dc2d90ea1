//! Layer kinds behind one dynamic type.

use super::{Forward, LayerKind, Parameter};
use crate::policy::arithmetic::Arithmetic;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::any::Any;
use std::fmt::Debug;

/// A [`LayerKind`] as a trait object.
pub(super) trait AnyKind: Debug + Send + Sync {
    fn type_name(&self) -> &'static str;
    fn output(&self, input: &[usize]) -> Result<Vec<usize>>;
    fn parameters(&self, input: &[usize]) -> Vec<Parameter>;
    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>>;
    fn as_any(&self) -> &dyn Any;
}

impl<L: LayerKind> AnyKind for L {
    fn type_name(&self) -> &'static str {
        L::TYPE
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        LayerKind::output(self, input)
    }

    fn parameters(&self, input: &[usize]) -> Vec<Parameter> {
        LayerKind::parameters(self, input)
    }

    fn forward(&self, input: &[usize], arithmetic: Arithmetic) -> Result<Option<Box<dyn Forward>>> {
        LayerKind::forward(self, input, arithmetic)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the fields of a kind as JSON, every default written out.
pub(super) fn fields_of<L: LayerKind>(kind: &L) -> Result<Map<String, Value>> {
    match serde_json::to_value(kind) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Error::config("", "a layer whose data is an object", other)),
        Err(e) => Err(Error::config("", "a layer whose data is JSON", e)),
    }
}
