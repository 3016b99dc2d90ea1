//! An environment of a plugin as it describes itself, and the checks of all that its instances write.

use super::Module;
use super::layout::{Buffer, numbers};
use super::session::Session;
use crate::abi::flag;
use crate::description::Description;
use std::sync::Arc;
use twisterl_core::env::Step;
use twisterl_core::error::from_serde::shorten;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionSpace, Actions, Observations};
use twisterl_core::{Error, Result};

/// The largest numbers that a description may claim: bits and values of an observation, choices, numbers of a state, and
/// twists. Batches allocate memory by them.
const MOST_OBSERVED: usize = 1 << 26;
const MOST_CHOICES: usize = 1 << 20;
const MOST_STATE: usize = 1 << 24;
const MOST_TWISTS: usize = 1 << 12;

/// An environment of a plugin, shared by its batches.
pub(super) struct Plugin {
    /// The name in configs.
    pub(super) name: String,
    pub(super) module: Arc<dyn Module>,
    /// The parameters as JSON, as they were given.
    pub(super) given: String,
    /// The text of the description, which each instance has to repeat.
    pub(super) text: String,
    pub(super) description: Description,
    pub(super) actions: ActionSpace,
    /// The number of choices of each discrete component.
    pub(super) choices: Vec<u32>,
    pub(super) mask_width: usize,
    pub(super) bits: usize,
    pub(super) values: usize,
}

/// Observations as an instance has written them, in memory that is reused.
#[derive(Default)]
pub(super) struct Read {
    ends: Vec<u32>,
    indices: Vec<u32>,
    values: Vec<f32>,
    /// The ones of a row, sorted.
    row: Vec<u32>,
}

impl Plugin {
    /// Checks a description.
    pub(super) fn of(
        name: &str,
        module: Arc<dyn Module>,
        given: String,
        text: String,
        description: Description,
    ) -> Result<Self> {
        let require = |holds: bool, rule: &str, found: String| {
            if holds { Ok(()) } else { Err(Error::contract(name, rule, found)) }
        };
        let d = &description;
        require(!d.name.is_empty(), "the description has a name", "an empty one".into())?;
        let size = d.observation.size().filter(|size| (1..=MOST_OBSERVED).contains(size));
        let rule = format!("observations have 1 to {MOST_OBSERVED} bits and values");
        require(size.is_some(), &rule, format!("{:?}", d.observation))?;
        let (bits, values) = (d.observation.bits(), d.observation.values());
        let actions = ActionSpace::new(d.actions.clone())
            .map_err(|error| Error::contract(name, "actions are those of a space", error))?;
        let mask_width = actions.mask_width();
        let width = mask_width.max(actions.discrete_width()).max(actions.continuous_width());
        let rule = format!("actions have at most {MOST_CHOICES} choices and numbers");
        require(width <= MOST_CHOICES, &rule, width.to_string())?;
        let rule = format!("states have at most {MOST_STATE} numbers");
        require(d.state <= MOST_STATE, &rule, d.state.to_string())?;
        require(d.params.is_object(), "parameters are a JSON object", d.params.to_string())?;
        let rule = format!("there are at most {MOST_TWISTS} twists");
        require(d.twists.len() <= MOST_TWISTS, &rule, d.twists.len().to_string())?;
        let single = actions.single_discrete().unwrap_or(0);
        for twist in &d.twists {
            let checked = Twist::from(twist.clone()).check(size.unwrap_or(0), single);
            checked.map_err(|error| Error::contract(name, "twists are permutations", error))?;
        }
        let inverses = d.inverses.len();
        let rule = "inverses are one for each action, of which each is an action or null";
        let within = d.inverses.iter().flatten().all(|&inverse| (inverse as usize) < single);
        let complete = (inverses == 0 || inverses == single) && within;
        require(complete, rule, shorten(&format!("{:?}", d.inverses)))?;
        Ok(Self {
            name: name.to_owned(),
            module,
            given,
            text,
            choices: actions.choices().map(|n| n as u32).collect(),
            actions,
            mask_width,
            bits: bits.unwrap_or(0),
            values: values.unwrap_or(0),
            description,
        })
    }
}

impl Plugin {
    /// Returns a new instance with `slots` environments.
    pub(super) fn session(&self, slots: usize) -> Result<Session> {
        let (session, text) =
            Session::open(&self.name, self.module.instance()?, &self.given, slots)?;
        if text != self.text {
            let rule = "equal parameters give the same description";
            return Err(
                self.broken(rule, format!("{} after {}", shorten(&text), shorten(&self.text)))
            );
        }
        Ok(session)
    }

    /// Returns true if states can be told: there are some, and the environment does not only take them.
    pub(super) fn tells_states(&self) -> bool {
        self.description.state > 0 && self.description.tells_states
    }

    pub(super) fn broken(&self, rule: &str, found: impl ToString) -> Error {
        Error::contract(&self.name, rule, found)
    }

    /// Checks the length of a state.
    pub(super) fn check_state(&self, count: usize) -> Result<()> {
        let most = self.description.state;
        let rule = || format!("states have at most {most} numbers");
        if count <= most { Ok(()) } else { Err(self.broken(&rule(), count)) }
    }

    /// Checks that every choice is one of its component.
    pub(super) fn check_choices(&self, actions: &Actions) -> Result<()> {
        for row in actions.discrete.chunks_exact(self.choices.len().max(1)) {
            if let Some((choice, n)) = row.iter().zip(&self.choices).find(|(choice, n)| choice >= n)
            {
                return Err(Error::action(format!("a choice below {n}"), choice));
            }
        }
        Ok(())
    }

    /// Reads the rows of `observe` and appends them.
    pub(super) fn read_observations(
        &self,
        session: &Session,
        rows: usize,
        read: &mut Read,
        observations: &mut Observations,
    ) -> Result<()> {
        let instance = &*session.instance;
        let Read { ends, indices, values, row } = read;
        ends.clear();
        indices.clear();
        values.clear();
        if self.bits > 0 {
            let address = session.buffer(Buffer::Offsets)?;
            ends.extend(numbers(instance, address, rows + 1, u32::from_le_bytes)?);
            let most = rows.saturating_mul(self.bits);
            let count = ends.last().map_or(0, |&end| end as usize);
            let rises = ends.first() == Some(&0) && ends.is_sorted();
            if !rises || count > most {
                let rule = format!("offsets rise from 0 to at most {most}");
                return Err(self.broken(&rule, shorten(&format!("{ends:?}"))));
            }
            if count > 0 {
                let address = session.buffer(Buffer::Indices)?;
                indices.extend(numbers(instance, address, count, u32::from_le_bytes)?);
            }
            let largest = indices.iter().fold(0, |largest, &bit| bit.max(largest));
            if count > 0 && largest as usize >= self.bits {
                return Err(self.broken(&format!("bits are below {}", self.bits), largest));
            }
            self.check_rows(ends, indices, row)?;
        }
        if self.values > 0 {
            let address = session.buffer(Buffer::Values)?;
            values.extend(numbers(instance, address, rows * self.values, f32::from_le_bytes)?);
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(self.broken("observed values are finite", value));
            }
        }
        // Without bits, no row has ones.
        ends.resize(rows + 1, 0);
        observations.push_rows(ends.get(1..).unwrap_or(&[]), indices, values);
        Ok(())
    }

    /// Checks that no bit is named twice in a row; `ends` begins with 0, `row` is memory to be used.
    fn check_rows(&self, ends: &[u32], indices: &[u32], row: &mut Vec<u32>) -> Result<()> {
        for span in ends.windows(2) {
            let &[begin, end] = span else { continue };
            let ones = indices.get(begin as usize..end as usize).unwrap_or(&[]);
            if ones.is_sorted_by(|a, b| a < b) {
                continue;
            }
            row.clear();
            row.extend_from_slice(ones);
            row.sort_unstable();
            let twice = row.windows(2).find(|pair| pair.first() == pair.last());
            if let Some(bit) = twice.and_then(<[u32]>::first) {
                let rule = "an observation has each bit once";
                return Err(self.broken(rule, format!("bit {bit} twice")));
            }
        }
        Ok(())
    }

    /// Reads the masks of `observe` and appends them.
    pub(super) fn read_masks(
        &self,
        session: &Session,
        rows: usize,
        masks: &mut Vec<bool>,
    ) -> Result<()> {
        if self.mask_width == 0 {
            return Ok(());
        }
        let address = session.buffer(Buffer::Masks)?;
        let bytes = session.instance.read(address, rows * self.mask_width)?;
        let largest = bytes.iter().fold(0, |largest, &byte| byte.max(largest));
        if largest > 1 {
            return Err(self.broken("masks consist of 0 and 1", largest));
        }
        let first = masks.len();
        masks.extend(bytes.iter().map(|&byte| byte == 1));
        for mask in masks.get(first..).unwrap_or(&[]).chunks_exact(self.mask_width) {
            if !self.actions.leaves_a_choice(mask) {
                return Err(self.broken("masks leave a choice", shorten(&format!("{mask:?}"))));
            }
        }
        Ok(())
    }

    /// Returns the step of a reward and flags.
    pub(super) fn step(&self, reward: f32, flags: i32) -> Result<Step> {
        let known = flag::TERMINATED | flag::TRUNCATED | flag::SOLVED;
        let (terminated, truncated) = (flags & flag::TERMINATED != 0, flags & flag::TRUNCATED != 0);
        if flags & !known != 0 || (terminated && truncated) {
            let rule = "flags of a step are 1 (terminated) or 2 (truncated), and 4 (solved)";
            return Err(self.broken(rule, flags));
        }
        if flags & flag::SOLVED != 0 && !terminated {
            return Err(self.broken("a step that solves terminates", flags));
        }
        if !reward.is_finite() {
            return Err(self.broken("rewards are finite", reward));
        }
        Ok(Step { reward, terminated, truncated })
    }
}
