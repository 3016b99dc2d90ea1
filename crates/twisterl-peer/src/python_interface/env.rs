//! The base class of Python classes with an environment of Rust.

use crate::plugin::{Here, Prototype, TABLE};
use crate::rl::env::Env;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::any::{Any, type_name};
use std::ffi::c_void;
use twisterl_plugin::abi::CAPSULE;

/// Returns the environment of a Python object as what it is.
///
/// # Errors
/// If it is something else.
pub fn get_env_ref<T: Any>(base_env: &PyBaseEnv) -> PyResult<&T> {
    base_env.env.as_any().downcast_ref().ok_or_else(other_than::<T>)
}

/// Returns the environment of a Python object as what it is, to be changed.
///
/// # Errors
/// If it is something else.
pub fn get_env_mut<T: Any>(base_env: &mut PyBaseEnv) -> PyResult<&mut T> {
    base_env.env.as_any_mut().downcast_mut().ok_or_else(other_than::<T>)
}

fn other_than<T: Any>() -> PyErr {
    PyTypeError::new_err(format!("env: expected {}, found another environment", type_name::<T>()))
}

/// The base class of Python classes with an environment of Rust, which it hands over to the trainer.
#[pyclass(subclass)]
pub struct PyBaseEnv {
    /// The environment.
    pub env: Box<dyn Env>,
}

#[pymethods]
impl PyBaseEnv {
    /// Return the number of actions.
    fn num_actions(&self) -> usize {
        self.env.num_actions()
    }

    /// Return the shape of the bits of an observation.
    fn obs_shape(&self) -> Vec<usize> {
        self.env.obs_shape()
    }

    /// The difficulty of the episodes that `reset` begins.
    #[getter]
    fn difficulty(&self) -> usize {
        self.env.get_difficulty()
    }

    #[setter]
    fn set_difficulty(&mut self, difficulty: usize) {
        self.env.set_difficulty(difficulty);
    }

    /// Begin an episode at a given state.
    fn set_state(&mut self, state: Vec<i64>) {
        self.env.set_state(state);
    }

    /// Begin an episode.
    fn reset(&mut self) {
        self.env.reset();
    }

    /// Take an action.
    fn step(&mut self, action: usize) {
        self.env.step(action);
    }

    /// Return True for each action that is allowed.
    fn masks(&self) -> Vec<bool> {
        self.env.masks()
    }

    /// Return True once the episode is over.
    fn is_final(&self) -> bool {
        self.env.is_final()
    }

    /// Return True if the goal is reached.
    fn success(&self) -> bool {
        self.env.success()
    }

    /// Return the reward of the last step.
    fn reward(&self) -> f32 {
        self.env.reward()
    }

    /// Return the indices of the ones among the flattened bits of the observation.
    fn observe(&self) -> Vec<usize> {
        self.env.observe()
    }

    /// Return the symmetries: permutations of the observation, and of the actions.
    fn twists(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        self.env.twists()
    }

    /// Return True if `solution` tells the solution that the episode has led to.
    fn track_solution(&self) -> bool {
        self.env.track_solution()
    }

    /// Return the solution in numbers of the environment's own choosing.
    fn solution(&self) -> Vec<usize> {
        self.env.solution()
    }

    /// Return an independent copy at the same point of its episode, of this base class.
    fn __deepcopy__(&self, _memo: Bound<'_, PyAny>) -> Self {
        Self { env: self.env.clone() }
    }

    /// Return an environment whose episodes all begin where this one is.
    fn __twisterl_here__(&self) -> Self {
        Self { env: Box::new(Here::new(self.env.clone())) }
    }

    /// Return the capsule by which the trainer plays copies of the environment as it is now, without Python; None if a class
    /// in Python has replaced a method, which would not be called.
    fn __twisterl_env__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let class = slf.get_type();
        for method in PLAYED {
            // Methods of extensions have no code in Python.
            if class.getattr(method)?.hasattr("__code__")? {
                return Ok(None);
            }
        }
        capsule(slf.py(), slf.borrow().env.clone()).map(Some)
    }
}

/// The methods that the trainer calls where it cannot play an environment without Python.
const PLAYED: [&str; 9] =
    ["reset", "step", "observe", "masks", "is_final", "reward", "success", "set_state", "twists"];

/// Returns a capsule with the functions of environments, and a prototype of them.
fn capsule(py: Python<'_>, env: Box<dyn Env>) -> PyResult<Py<PyAny>> {
    let prototype = Box::into_raw(Prototype::new(env)).cast::<c_void>();
    let table = (&raw const TABLE).cast_mut().cast::<c_void>();
    // SAFETY: Both addresses are valid until the destructor, which frees the prototype, and which is only set once the
    // capsule has it.
    #[allow(unsafe_code)]
    unsafe {
        let capsule = ffi::PyCapsule_New(table, CAPSULE.as_ptr(), None);
        let owned = Bound::from_owned_ptr_or_err(py, capsule);
        let set = owned.and_then(|owned| {
            let failed = ffi::PyCapsule_SetContext(capsule, prototype) != 0
                || ffi::PyCapsule_SetDestructor(capsule, Some(free)) != 0;
            if failed { Err(PyErr::fetch(py)) } else { Ok(owned.unbind()) }
        });
        if set.is_err() {
            drop(Box::from_raw(prototype.cast::<Prototype>()));
        }
        set
    }
}

/// Frees the prototype of a capsule.
#[allow(unsafe_code)]
unsafe extern "C" fn free(capsule: *mut ffi::PyObject) {
    // SAFETY: The capsule is one of `__twisterl_env__`, which made its context.
    unsafe {
        let prototype = ffi::PyCapsule_GetContext(capsule).cast::<Prototype>();
        if !prototype.is_null() {
            drop(Box::from_raw(prototype));
        }
    }
}
