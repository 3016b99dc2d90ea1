//! An instance: environments in slots, with the buffers that a host reads and writes.

use super::about::About;
use super::buffers::{Buffers, Texts};
use crate::abi::{FAILED, Layout, OK, REFUSED, Text, VERSION, flag, start};
use crate::description::ErrorText;
use serde_json::Value;
use std::ptr;
use std::sync::Arc;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::env::{Start, Step};
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::of_key;
use twisterl_core::space::{Action, Actions, Observations};
use twisterl_core::{Error, Result};

/// Makes an environment of its parameters.
pub type Maker = Box<dyn Fn(&Value) -> Result<Arc<dyn EnvSpec>> + Send + Sync>;

/// The largest number of slots of an instance, and the most bytes of scratch memory.
const MAX: usize = 1 << 28;

/// An instance of the interface.
pub struct Guest {
    make: Maker,
    about: About,
    pub(super) scratch: Vec<u8>,
    pub(super) playing: Option<Playing>,
    texts: Texts,
    layout: Layout,
    pub(super) buffers: Buffers,
}

/// The environments of an instance, after `init`.
pub(super) struct Playing {
    pub(super) spec: Arc<dyn EnvSpec>,
    pub(super) env: Box<dyn VecEnv>,
    observations: Observations,
    masks: Vec<bool>,
    steps: Vec<Step>,
    actions: Actions,
    slots: Vec<usize>,
}

// SAFETY: The addresses in `layout` and `texts` are those of memory that the instance owns, and are read by its host alone.
#[allow(unsafe_code)]
unsafe impl Send for Guest {}

impl Guest {
    /// Returns an instance without environments, whose environments `make` will make.
    pub fn new(make: Maker, about: About) -> Self {
        let mut guest = Self {
            make,
            about,
            scratch: Vec::new(),
            playing: None,
            texts: Texts::default(),
            layout: Layout::EMPTY,
            buffers: Buffers::default(),
        };
        guest.refresh();
        guest
    }

    /// Returns a copy with all episodes, null after an error.
    pub fn duplicate(&mut self) -> Option<Self> {
        let copied = self.playing.as_ref().map(|playing| {
            let (env, spec) = (playing.env.duplicate()?, Arc::clone(&playing.spec));
            Ok(Playing::new(spec, env))
        });
        match copied.transpose() {
            Ok(playing) => {
                // The copy only needs a maker if `init` is called again, which hosts of copies do not.
                let make: Maker = Box::new(|_| Err(Error::internal("a copy is not made anew")));
                let mut copy = Self::new(make, self.about.clone());
                let slots = playing.as_ref().map_or(0, |playing| playing.env.len());
                copy.playing = playing;
                copy.resize(slots);
                copy.buffers.state.resize(self.buffers.state.len(), 0.0);
                copy.texts.description.set(self.texts.description.text.clone());
                copy.refresh();
                Some(copy)
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Returns an address for `bytes` bytes, null if that is too many.
    pub fn scratch(&mut self, bytes: i32) -> *mut u8 {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > MAX
            || self.scratch.try_reserve(bytes.saturating_sub(self.scratch.len())).is_err()
        {
            return ptr::null_mut();
        }
        self.scratch.resize(bytes.max(1), 0);
        self.scratch.as_mut_ptr()
    }

    /// Makes `slots` environments of the parameters in scratch.
    pub fn init(&mut self, len: i32, slots: i32) -> i32 {
        self.attempt(|guest| {
            let text = usize::try_from(len).ok().and_then(|len| guest.scratch.get(..len));
            let text = text.ok_or_else(|| out_of_range("len", "the length of scratch", len))?;
            let params: Value = match text {
                b"" => Value::Object(serde_json::Map::default()),
                text => serde_json::from_slice(text)
                    .map_err(|error| Error::config("env", "JSON", error))?,
            };
            let count = usize::try_from(slots).ok().filter(|count| (1..=MAX).contains(count));
            let expected = || format!("1 to {MAX}");
            let count = count.ok_or_else(|| out_of_range("slots", &expected(), slots))?;
            let spec = (guest.make)(&params)?;
            let description = guest.about.describe(&*spec)?;
            guest.buffers.state.resize(description.state, 0.0);
            let text = serde_json::to_string(&description)
                .map_err(|error| Error::contract(spec.name(), "a description is JSON", error))?;
            guest.texts.description.set(text);
            let env = spec.batch(count);
            guest.playing = Some(Playing::new(spec, env));
            guest.resize(count);
            Ok(OK)
        })
    }

    /// Returns the description, null before `init`.
    pub fn describe(&mut self) -> *const Text {
        match self.playing {
            Some(_) => &raw const *self.texts.description.span,
            None => ptr::null(),
        }
    }

    /// Returns the addresses of the buffers.
    pub fn layout(&self) -> *const Layout {
        &raw const self.layout
    }

    /// Begins an episode; returns its flags.
    pub fn begin(&mut self, slot: i32, kind: i32, difficulty: i32) -> i32 {
        self.attempt(|guest| {
            let Self { playing, buffers, .. } = guest;
            let playing = playing.as_mut().ok_or_else(not_made)?;
            let slot = playing.slot(slot)?;
            let difficulty = usize::try_from(difficulty).ok();
            let given = || difficulty.ok_or_else(|| out_of_range("difficulty", "from 0 on", -1));
            let start = match kind {
                start::SCRAMBLE => Start::Scramble { difficulty: given()? },
                start::UNIFORM => Start::Uniform { difficulty: given()? },
                start::STATE => {
                    let count =
                        buffers.slots.first().and_then(|&count| usize::try_from(count).ok());
                    let state = count.and_then(|count| buffers.state.get(..count));
                    let expected = format!("at most {} numbers", buffers.state.len());
                    let state = state.ok_or_else(|| Error::state(expected, "more"))?;
                    Start::State { state, difficulty }
                }
                other => return Err(out_of_range("kind", "0, 1 or 2", other)),
            };
            playing.env.begin(slot, start, &mut of_key(*buffers.key))?;
            if let Some(best) = buffers.best.first_mut() {
                *best = playing.env.best_return(slot).unwrap_or(f32::NAN);
            }
            Ok(if playing.env.solved(slot) { flag::SOLVED } else { 0 })
        })
    }

    /// Takes an action in each of `n` slots.
    pub fn step(&mut self, n: i32) -> i32 {
        self.attempt(|guest| {
            let Self { playing, buffers, .. } = guest;
            let playing = playing.as_mut().ok_or_else(not_made)?;
            playing.choose_slots(&buffers.slots, n, 1)?;
            let (d, c) = playing.actions.widths();
            let rows = playing.slots.len();
            playing.actions.clear();
            let discrete = buffers.discrete.get(..rows * d).unwrap_or(&[]);
            playing.actions.discrete.extend_from_slice(discrete);
            let continuous = buffers.continuous.get(..rows * c).unwrap_or(&[]);
            playing.actions.continuous.extend_from_slice(continuous);
            playing.steps.clear();
            let Playing { env, slots, actions, steps, .. } = playing;
            env.step(slots, actions, steps)?;
            // Iterators of known length: without a check of the capacity for each number.
            buffers.rewards.clear();
            buffers.rewards.extend(steps.iter().map(|step| step.reward));
            buffers.flags.clear();
            let stepped = steps.iter().zip(&*slots);
            buffers.flags.extend(stepped.map(|(step, &slot)| flags(step, env.solved(slot))));
            buffers.best.clear();
            let best = slots.iter().map(|&slot| env.best_return(slot).unwrap_or(f32::NAN));
            buffers.best.extend(best);
            Ok(OK)
        })
    }

    /// Writes the observations and masks of `n` slots.
    pub fn observe(&mut self, n: i32) -> i32 {
        self.attempt(|guest| {
            let Self { playing, buffers, .. } = guest;
            let playing = playing.as_mut().ok_or_else(not_made)?;
            playing.choose_slots(&buffers.slots, n, 1)?;
            playing.observations.clear();
            playing.masks.clear();
            let Playing { env, slots, observations, masks, .. } = playing;
            env.observe(slots, observations, masks)?;
            buffers.offsets.clear();
            buffers.offsets.push(0);
            buffers.offsets.extend_from_slice(observations.ends());
            Ok(OK)
        })
    }

    /// Copies `n` slots: `slots[2 i]` to `slots[2 i + 1]`.
    pub fn copy(&mut self, n: i32) -> i32 {
        self.attempt(|guest| {
            let Self { playing, buffers, .. } = guest;
            let playing = playing.as_mut().ok_or_else(not_made)?;
            playing.choose_slots(&buffers.slots, n, 2)?;
            let pairs: Vec<(usize, usize)> =
                playing.slots.as_chunks().0.iter().map(|&[from, to]| (from, to)).collect();
            playing.env.copy(&pairs)?;
            Ok(OK)
        })
    }

    /// Writes the state of a slot; returns the number of its numbers.
    pub fn state(&mut self, slot: i32) -> i32 {
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            let mut state = Vec::new();
            playing.env.state(playing.slot(slot)?, &mut state)?;
            guest.buffers.write_state(&state)
        })
    }

    /// Writes the image of the state of a slot under a twist; returns the number of its numbers.
    pub fn twisted_state(&mut self, slot: i32, twist: i32) -> i32 {
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            let index = usize::try_from(twist).unwrap_or(usize::MAX);
            let image = playing.env.twisted_state(playing.slot(slot)?, index)?;
            let none =
                || Error::contract(playing.spec.name(), "a twist has its twisted_state", "none");
            let image = image.ok_or_else(none)?;
            guest.buffers.write_state(&image)
        })
    }

    /// Writes the keys of `n` slots.
    pub fn keys(&mut self, n: i32) -> i32 {
        self.attempt(|guest| {
            let Self { playing, buffers, .. } = guest;
            let playing = playing.as_mut().ok_or_else(not_made)?;
            playing.choose_slots(&buffers.slots, n, 1)?;
            buffers.keys.clear();
            playing.env.keys(&playing.slots, &mut buffers.keys)?;
            Ok(OK)
        })
    }

    /// Returns the state of a slot as text, null after an error.
    pub fn render(&mut self, slot: i32) -> *const Text {
        self.answer(|playing, _| playing.env.render(playing.slot(slot)?))
    }

    /// Returns the name of the action in row 0 of the buffers, null after an error.
    pub fn action_name(&mut self) -> *const Text {
        self.answer(|playing, buffers| {
            let (d, c) = playing.actions.widths();
            let mut row = Actions::new(&playing.spec.action_space());
            let discrete = buffers.discrete.get(..d).unwrap_or(&[]);
            row.push(Action::Parts {
                discrete,
                continuous: buffers.continuous.get(..c).unwrap_or(&[]),
            });
            playing.spec.action_space().check(row.row(0))?;
            Ok(playing.env.action_name(row.row(0)))
        })
    }

    /// Returns the text of the last error.
    pub fn error(&self) -> *const Text {
        &raw const *self.texts.error.span
    }

    /// Returns the text of the last error.
    pub fn error_text(&self) -> &str {
        &self.texts.error.text
    }

    fn answer(&mut self, work: impl FnOnce(&Playing, &Buffers) -> Result<String>) -> *const Text {
        let mut text = None;
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            text = Some(work(playing, &guest.buffers)?);
            Ok(OK)
        });
        text.map_or(ptr::null(), |text| self.texts.answer.set(text))
    }

    /// Does what a host asks for. An error or a panic is kept for `error`.
    pub(super) fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<i32>) -> i32 {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)));
        let result = worked.unwrap_or_else(|panic| Err(panicked(&self.about.name, &*panic)));
        let code = result.unwrap_or_else(|error| {
            self.fail(&error);
            if matches!(error, Error::State { .. }) { REFUSED } else { FAILED }
        });
        self.refresh();
        code
    }

    fn fail(&mut self, error: &Error) {
        self.texts.error.set(ErrorText::of(error));
    }

    /// Gives the buffers room for `slots` slots.
    fn resize(&mut self, slots: usize) {
        let (d, c) = self.playing.as_ref().map_or((0, 0), |playing| playing.actions.widths());
        self.buffers.slots.resize(2 * slots, 0);
        self.buffers.discrete.resize(d * slots, 0);
        self.buffers.continuous.resize(c * slots, 0.0);
        self.buffers.best.resize(slots, f32::NAN);
    }

    /// Writes the addresses of the buffers, which may have moved.
    fn refresh(&mut self) {
        let buffers = &mut self.buffers;
        let mut layout = Layout {
            version: VERSION as usize,
            key: buffers.key.as_mut_ptr(),
            slots: buffers.slots.as_mut_ptr(),
            discrete: buffers.discrete.as_mut_ptr(),
            continuous: buffers.continuous.as_mut_ptr(),
            rewards: buffers.rewards.as_ptr(),
            flags: buffers.flags.as_ptr(),
            offsets: buffers.offsets.as_ptr(),
            state: buffers.state.as_mut_ptr(),
            keys: buffers.keys.as_ptr(),
            best: buffers.best.as_ptr(),
            ..Layout::EMPTY
        };
        if let Some(playing) = &self.playing {
            layout.indices = playing.observations.indices().as_ptr();
            layout.values = playing.observations.dense().as_ptr();
            layout.masks = playing.masks.as_ptr().cast();
        }
        self.layout = layout;
    }
}

impl Playing {
    fn new(spec: Arc<dyn EnvSpec>, env: Box<dyn VecEnv>) -> Self {
        Self {
            actions: Actions::new(&spec.action_space()),
            spec,
            env,
            observations: Observations::new(),
            masks: Vec::new(),
            steps: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Returns the slot that a host names.
    pub(super) fn slot(&self, slot: i32) -> Result<usize> {
        let len = self.env.len();
        let found = usize::try_from(slot).ok().filter(|&slot| slot < len);
        found.ok_or_else(|| out_of_range("slot", &format!("below {len}"), slot))
    }

    /// Reads the slots of a call for `n` rows of `width` slots each.
    fn choose_slots(&mut self, slots: &[i32], n: i32, width: usize) -> Result<()> {
        let rows = usize::try_from(n).unwrap_or(usize::MAX);
        let named = rows.checked_mul(width).and_then(|count| slots.get(..count));
        let named = named.filter(|_| rows <= self.env.len());
        let expected = || format!("at most {} rows", self.env.len());
        let named = named.ok_or_else(|| out_of_range("n", &expected(), n))?;
        let len = u32::try_from(self.env.len()).unwrap_or(u32::MAX);
        // A negative number is a large one without its sign.
        if let Some(&slot) = named.iter().find(|slot| slot.cast_unsigned() >= len) {
            return Err(out_of_range("slot", &format!("below {len}"), slot));
        }
        self.slots.clear();
        self.slots.extend(named.iter().map(|slot| slot.cast_unsigned() as usize));
        Ok(())
    }
}

/// Returns the flags of a step.
fn flags(step: &Step, solved: bool) -> i32 {
    let bit = |set: bool, flag: i32| if set { flag } else { 0 };
    bit(step.terminated, flag::TERMINATED)
        | bit(step.truncated, flag::TRUNCATED)
        | bit(solved, flag::SOLVED)
}

pub(super) fn not_made() -> Error {
    Error::internal("init comes before any other call")
}

pub(super) fn out_of_range(name: &str, expected: &str, found: i32) -> Error {
    Error::internal(format!("{name}: expected {expected}, found {found}"))
}

fn panicked(name: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::contract(name, "an environment does not panic", text.unwrap_or_else(|| "a panic".into()))
}
