//! The forms in which an environment written in Python gives observations and takes actions.

use pyo3::prelude::*;
use pyo3::types::PyList;
use twisterl_core::space::declared::DeclaredSpaces;
use twisterl_core::space::{Action, ActionSpace};

/// The parts of an action: choices, and real numbers.
pub type Parts = (Vec<u32>, Vec<f64>);

/// Encodes observations and decodes actions: a `twisterl._internal.adapter.codec.Codec`.
pub struct Codec {
    object: Py<PyAny>,
    /// True if observations are not in the trainer's form as the environment gives them.
    pub encodes: bool,
    /// True if the environment takes actions in another form than a policy that knows of none.
    pub decodes: bool,
    /// True if actions counted from 0 cannot be mistaken for the environment's own.
    pub takes_indices: bool,
}

impl Codec {
    /// Wraps a codec.
    ///
    /// # Errors
    /// Whatever its attributes raise.
    pub fn new(object: Bound<'_, PyAny>) -> PyResult<Self> {
        let encodes = object.getattr("encodes")?.extract()?;
        let decodes = object.getattr("decodes")?.extract()?;
        let takes_indices = object.getattr("takes_indices")?.extract()?;
        Ok(Self { object: object.unbind(), encodes, decodes, takes_indices })
    }

    /// Builds the codec of the spaces in a policy, which have been checked.
    ///
    /// # Errors
    /// If the module cannot be imported.
    pub fn of_spaces(py: Python<'_>, spaces: &DeclaredSpaces) -> PyResult<Self> {
        let class = py.import("twisterl._internal.adapter.codec")?.getattr("Codec")?;
        Self::new(class.call_method1("from_json", (serde_json::json!(spaces).to_string(),))?)
    }

    /// Returns another reference to the codec.
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { object: self.object.clone_ref(py), ..*self }
    }

    /// Returns the Python object.
    pub fn object(&self, py: Python<'_>) -> Py<PyAny> {
        self.object.clone_ref(py)
    }

    /// Reads an observation, called `name` in errors. Returns it in the trainer's form, and the mask within it.
    ///
    /// # Errors
    /// `ObservationError` if it is none of the environment.
    pub fn read<'py>(
        &self,
        observation: &Bound<'py, PyAny>,
        name: &str,
    ) -> PyResult<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)> {
        self.object.bind(observation.py()).call_method1("read", (observation, name))?.extract()
    }

    /// Returns the observations of a batch as a vector environment stacks them, `None` for a sequence of observations.
    ///
    /// # Errors
    /// `ObservationError` if the parts of a batch do not fit each other.
    pub fn rows<'py>(&self, batch: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
        Ok(self.object.bind(batch.py()).call_method1("rows", (batch,))?.extract()?)
    }

    /// Reads a mask.
    ///
    /// # Errors
    /// `ObservationError` if it is none of the environment's actions.
    pub fn read_mask(&self, mask: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
        self.object.bind(mask.py()).call_method1("read_mask", (mask,))?.extract()
    }

    /// Reads an action as the environment takes it.
    ///
    /// # Errors
    /// `ActionError` if it is none of the environment.
    pub fn read_action(&self, action: &Bound<'_, PyAny>) -> PyResult<Parts> {
        self.object.bind(action.py()).call_method1("read_action", (action,))?.extract()
    }

    /// Returns an action of `space` as the environment takes it.
    ///
    /// # Errors
    /// Never for an action of the space.
    pub fn action<'py>(
        &self,
        py: Python<'py>,
        action: Action<'_>,
        space: &ActionSpace,
    ) -> PyResult<Bound<'py, PyAny>> {
        let codec = self.object.bind(py);
        match action {
            Action::Discrete(index) => codec.call_method1("decode", (index,)),
            Action::Parts { discrete: &[index], .. } if space.single_discrete().is_some() => {
                codec.call_method1("decode", (index,))
            }
            Action::Parts { discrete, continuous } => {
                codec.call_method1("decode", ((discrete.to_vec(), continuous.to_vec()),))
            }
        }
    }

    /// Returns actions as a vector environment takes them.
    ///
    /// # Errors
    /// Never for actions that [`action`](Self::action) returned.
    pub fn stack<'py>(&self, actions: Bound<'py, PyList>) -> PyResult<Bound<'py, PyAny>> {
        self.object.bind(actions.py()).call_method1("stack", (actions,))
    }
}
