//! A row of numbers that is sorted by swaps of neighbours, which may be turned round at random after each of them.

use pyo3::prelude::*;
use rand::Rng;
use std::any::Any;
use twisterl::python_interface::env::{get_env_mut, get_env_ref, PyBaseEnv};
use twisterl::rl::env::Env;

#[derive(Clone)]
struct Sorting {
    row: Vec<usize>,
    difficulty: usize,
    left: usize,
    turns: bool,
    turned: bool,
    swaps: Vec<usize>,
}

impl Sorting {
    fn begin(&mut self, row: Vec<usize>) {
        self.left = 4 * row.len();
        self.row = row;
        self.turned = false;
        self.swaps.clear();
    }
}

impl Env for Sorting {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn num_actions(&self) -> usize {
        self.row.len() - 1
    }

    fn obs_shape(&self) -> Vec<usize> {
        vec![self.row.len(); 2]
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }

    fn get_difficulty(&self) -> usize {
        self.difficulty
    }

    fn set_state(&mut self, state: Vec<i64>) {
        self.begin(state.iter().map(|&number| number as usize).collect());
    }

    fn reset(&mut self) {
        let mut row: Vec<usize> = (0..self.row.len()).collect();
        for _ in 0..self.difficulty {
            let place = rand::thread_rng().gen_range(0..row.len() - 1);
            row.swap(place, place + 1);
        }
        self.begin(row);
    }

    fn step(&mut self, action: usize) {
        let last = self.row.len() - 2;
        self.swaps.push(if self.turned { last - action } else { action });
        self.row.swap(action, action + 1);
        self.left -= 1;
        if self.turns && rand::thread_rng().gen() {
            self.row = self.row.iter().rev().map(|number| self.row.len() - 1 - number).collect();
            self.turned = !self.turned;
        }
    }

    fn masks(&self) -> Vec<bool> {
        vec![!self.success(); self.num_actions()]
    }

    fn is_final(&self) -> bool {
        self.left == 0 || self.success()
    }

    fn success(&self) -> bool {
        self.row.windows(2).all(|pair| pair[0] < pair[1])
    }

    fn reward(&self) -> f32 {
        if self.success() {
            1.0
        } else {
            -0.05
        }
    }

    fn observe(&self) -> Vec<usize> {
        self.row.iter().enumerate().map(|(place, number)| place * self.row.len() + number).collect()
    }

    fn track_solution(&self) -> bool {
        self.turns
    }

    fn solution(&self) -> Vec<usize> {
        self.swaps.clone()
    }
}

#[pyclass(name = "Sorting", extends = PyBaseEnv, subclass)]
struct PySorting;

#[pymethods]
impl PySorting {
    #[new]
    #[pyo3(signature = (size, difficulty=1, turns=false))]
    fn new(size: usize, difficulty: usize, turns: bool) -> (Self, PyBaseEnv) {
        let row = (0..size).collect();
        let env = Sorting { row, difficulty, left: 0, turns, turned: false, swaps: Vec::new() };
        (Self, PyBaseEnv { env: Box::new(env) })
    }

    fn row(slf: PyRef<'_, Self>) -> PyResult<Vec<usize>> {
        Ok(get_env_ref::<Sorting>(slf.as_ref())?.row.clone())
    }
}

// The crate allows several blocks of methods.
#[pymethods]
impl PySorting {
    fn set_left(mut slf: PyRefMut<'_, Self>, left: usize) -> PyResult<()> {
        get_env_mut::<Sorting>(slf.as_mut())?.left = left;
        Ok(())
    }
}

#[pymodule]
fn sorting(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySorting>()
}
