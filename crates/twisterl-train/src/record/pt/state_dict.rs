//! The state dictionary in the object that a `.pt` file holds.
//!
//! People save it alone, or in a training checkpoint beside the optimizer and counters.

use super::pickle::{Id, Object, Pickle};
use super::tensor::{TensorDescription, describe};
use super::{PtResult, Refusal};
use std::collections::BTreeMap;

/// The keys under which training checkpoints hold the state of the model.
const MODELS: [&str; 14] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "policy_state_dict",
    "network_state_dict",
    "net_state_dict",
    "model",
    "module",
    "policy",
    "network",
    "net",
    "actor_critic",
    "weights",
    "params",
];
/// The keys of states that are not models.
const OTHERS: [&str; 5] = ["optim", "sched", "scaler", "buffer", "ema"];
/// The classes and functions of plain values beside those of numpy.
const PLAIN: [&str; 17] = [
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.set",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "decimal.Decimal",
    "fractions.Fraction",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "torch.Size",
    "torch.device",
    "types.SimpleNamespace",
    "uuid.UUID",
];
/// The deepest nesting of dictionaries around the state dictionary.
const MAX_WRAPPERS: usize = 4;

const EXPECTED: &str = "a state dictionary, as written by torch.save(model.state_dict(), PATH)";

/// Returns the tensors of the model by name.
pub(super) fn find(pickle: &Pickle<'_>) -> PtResult<BTreeMap<String, TensorDescription>> {
    let kinds = Kinds::of(pickle);
    let (mut id, mut place) = (pickle.root, String::new());
    for _ in 0..=MAX_WRAPPERS {
        let Some(entries) = entries(pickle, id) else {
            return Err(Refusal::new(EXPECTED, in_words(pickle, id, &place)));
        };
        let Some((key, inner)) = model(&kinds, &entries)? else {
            return tensors(pickle, &entries, &place);
        };
        place = if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
        id = inner;
    }
    Err(Refusal::new(EXPECTED, "deeply nested dictionaries"))
}

/// Returns the entries of a dictionary whose keys are text, the last one of each key.
fn entries<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<BTreeMap<&'p str, Id>> {
    let Object::Dict(entries) = pickle.get(id) else { return None };
    Some(entries.iter().filter_map(|(key, value)| Some((pickle.text(*key)?, *value))).collect())
}

/// Returns the entry that holds the model, or `None` if the entries themselves are the state dictionary.
fn model<'p>(kinds: &Kinds, entries: &BTreeMap<&'p str, Id>) -> PtResult<Option<(&'p str, Id)>> {
    let states: Vec<(&str, Id)> =
        entries.iter().map(|(key, id)| (*key, *id)).filter(|(_, id)| kinds.is_state(*id)).collect();
    let known: Vec<_> = states.iter().filter(|(key, _)| MODELS.contains(key)).collect();
    if let [one] = known[..] {
        return Ok(Some(*one));
    }
    if known.is_empty() && entries.values().any(|id| kinds.is_tensor(*id)) {
        return Ok(None);
    }
    let is_other = |key: &str| OTHERS.iter().any(|other| key.to_lowercase().contains(other));
    let candidates: Vec<_> = match known.is_empty() {
        true => states.iter().filter(|(key, _)| !is_other(key)).collect(),
        false => known,
    };
    match candidates[..] {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => {
            let keys: Vec<_> = candidates.iter().map(|(key, _)| format!("`{key}`")).collect();
            let found = format!("several: {} (save one of them alone)", keys.join(", "));
            Err(Refusal::new("one state dictionary", found))
        }
    }
}

/// The objects that are tensors, or dictionaries of them. Each object is looked at once, however often it is shared.
struct Kinds {
    /// 0 for a tensor, 1 for a dictionary with one in it, 2 for a dictionary with such a dictionary in it.
    depths: Vec<Option<u8>>,
}

impl Kinds {
    fn of(pickle: &Pickle<'_>) -> Self {
        // A tensor that cannot be read is one, too.
        let is_tensor = |id| !matches!(describe(pickle, "", id), Ok(None));
        let mut depths: Vec<_> = pickle.ids().map(|id| is_tensor(id).then_some(0)).collect();
        for depth in 1..=2 {
            for id in pickle.ids() {
                let Object::Dict(entries) = pickle.get(id) else { continue };
                let holds = |value: &Id| depths.get(*value) == Some(&Some(depth - 1));
                if depths[id].is_none() && entries.iter().any(|(_, value)| holds(value)) {
                    depths[id] = Some(depth);
                }
            }
        }
        Self { depths }
    }

    fn is_tensor(&self, id: Id) -> bool {
        self.depths.get(id) == Some(&Some(0))
    }

    /// Returns true for a dictionary with a tensor in it, or with such a dictionary in it.
    fn is_state(&self, id: Id) -> bool {
        matches!(self.depths.get(id), Some(Some(1 | 2)))
    }
}

/// Describes the tensors of a state dictionary. Numbers and text beside them, such as versions, are left out.
fn tensors(
    pickle: &Pickle<'_>,
    entries: &BTreeMap<&str, Id>,
    place: &str,
) -> PtResult<BTreeMap<String, TensorDescription>> {
    let mut tensors = BTreeMap::new();
    for (name, id) in entries {
        match (describe(pickle, name, *id)?, pickle.get(*id)) {
            (Some(tensor), _) => drop(tensors.insert((*name).to_owned(), tensor)),
            (None, Object::Instance { class, .. }) if !is_plain(pickle, *class) => {
                let expected = format!("{name} to be a tensor");
                return Err(Refusal::new(expected, in_words(pickle, *id, "")));
            }
            (None, _) => {}
        }
    }
    if tensors.is_empty() {
        let keys: Vec<_> = entries.keys().take(8).map(|key| format!("`{key}`")).collect();
        let found = match (keys.is_empty(), place.is_empty()) {
            (true, _) => "an empty dictionary".to_owned(),
            (false, true) => format!("a dictionary without tensors, with {}", keys.join(", ")),
            (false, false) => {
                format!("no tensors in `{place}`, a dictionary with {}", keys.join(", "))
            }
        };
        return Err(Refusal::new(EXPECTED, found));
    }
    Ok(tensors)
}

/// Returns true for classes and functions of plain values, which people save beside tensors. They are not called either,
/// and their values are left out.
fn is_plain(pickle: &Pickle<'_>, class: Id) -> bool {
    let path = pickle.path(class).unwrap_or_default();
    let path = path.replace("__builtin__.", "builtins.");
    path.starts_with("numpy.") || PLAIN.contains(&path.as_str())
}

/// Returns what an object is.
fn in_words(pickle: &Pickle<'_>, id: Id, place: &str) -> String {
    let what = match pickle.get(id) {
        Object::Instance { class, .. } => {
            let class = pickle.path(*class).unwrap_or_else(|| "an unknown class".into());
            match class.as_str() {
                "copy_reg._reconstructor" | "copyreg._reconstructor" => {
                    "an object of a class, whose code is not run".to_owned()
                }
                _ if matches!(describe(pickle, "", id), Ok(None)) => {
                    format!("an object of {class}, whose code is not run")
                }
                _ => "a single tensor".to_owned(),
            }
        }
        Object::List(_) | Object::Tuple(_) => "a list without names".to_owned(),
        Object::None => "None".to_owned(),
        Object::Bool | Object::Int(_) | Object::Long(_) | Object::Float => "a number".to_owned(),
        Object::Text(_) | Object::Bytes => "text".to_owned(),
        Object::Set => "a set".to_owned(),
        Object::Dict(_) => "a dictionary".to_owned(),
        Object::Global(module, name) => format!("the name {module}.{name}"),
        Object::Persistent(_) => "a storage".to_owned(),
    };
    if place.is_empty() { what } else { format!("{what} in `{place}`") }
}
