//! Tensors in a pickle: views of storages, which lie elsewhere in the file.

use super::pickle::{Id, Object, Pickle};
use super::{PtResult, Refusal};
use safetensors::Dtype;

/// The most axes of a tensor.
const MAX_AXES: usize = 64;
/// The most calls around a tensor, such as that of a parameter.
const MAX_WRAPPERS: usize = 8;

/// The description of a tensor: a view of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorDescription {
    pub(super) storage: Storage,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// The distance of neighbours along each axis, in values.
    strides: Vec<usize>,
    /// The position of the first value in the storage, in values.
    offset: usize,
}

/// The description of a storage: a row of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Storage {
    /// The name of the storage in the file.
    pub(super) key: String,
    /// The type of its values; `None` for bytes that tensors give a type.
    pub(super) dtype: Option<Dtype>,
    /// The number of values in the file.
    count: usize,
    /// The part of them that tensors see: its first value and its number of values.
    part: (usize, usize),
}

impl Storage {
    /// Returns the length in bytes of the storage in the file.
    pub(super) fn length(&self) -> Option<usize> {
        self.count.checked_mul(self.dtype.map_or(1, width))
    }
}

/// Returns the number of bytes of a value.
pub(super) fn width(dtype: Dtype) -> usize {
    dtype.bitsize() / 8
}

/// Returns the description of the tensor `name`, or `None` if the object is no tensor.
///
/// # Errors
/// If it is a tensor without a row of plain numbers: sparse, quantized, without values.
pub(super) fn describe(
    pickle: &Pickle<'_>,
    name: &str,
    mut id: Id,
) -> PtResult<Option<TensorDescription>> {
    for _ in 0..MAX_WRAPPERS {
        let Object::Instance { class, args, .. } = *pickle.get(id) else { return Ok(None) };
        let (Some(path), Some(items)) = (pickle.path(class), pickle.items(args)) else {
            return Ok(None);
        };
        match (path.as_str(), items) {
            (
                "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state"
                | "torch.nn.parameter.Parameter"
                | "torch.nn.parameter.Buffer",
                [inner, ..],
            ) => id = *inner,
            // A tensor of a class of its own, or with attributes.
            ("torch._tensor._rebuild_from_type_v2", [function, _, args, ..]) => {
                let path = pickle.path(*function).unwrap_or_default();
                let Some(items) = pickle.items(*args) else { return Ok(None) };
                return of_call(pickle, name, &path, items).map(Some);
            }
            (path, items) if path.starts_with("torch._utils._rebuild_") => {
                return of_call(pickle, name, path, items).map(Some);
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Describes the result of a function of PyTorch that makes tensors.
fn of_call(
    pickle: &Pickle<'_>,
    name: &str,
    path: &str,
    args: &[Id],
) -> PtResult<TensorDescription> {
    let expected = || format!("{name} to be a dense tensor");
    let function = path.rsplit('.').next().unwrap_or(path);
    let kind = match function {
        "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => None,
        "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => {
            Some("a sparse one (call .to_dense() before you save it)".to_owned())
        }
        "_rebuild_qtensor" => {
            Some("a quantized one (call .dequantize() before you save it)".to_owned())
        }
        "_rebuild_meta_tensor_no_storage" => Some("one without values, on device meta".to_owned()),
        _ => Some(format!("one of {path}")),
    };
    if let Some(kind) = kind {
        return Err(Refusal::new(expected(), kind));
    }
    let incomplete = || Refusal::new(expected(), "one without storage, size or stride");
    let [storage, offset, size, stride, ..] = args else { return Err(incomplete()) };
    let storage = describe_storage(pickle, *storage)
        .ok_or_else(incomplete)?
        .map_err(|found| Refusal::new(format!("{name} of numbers"), found))?;
    // Only the third version names the type of the values.
    let dtype = match (storage.dtype, args) {
        (_, [_, _, _, _, _, _, dtype, ..]) if function == "_rebuild_tensor_v3" => {
            let dtype = pickle.path(*dtype).unwrap_or_default();
            let name_of_type = dtype.strip_prefix("torch.").unwrap_or(&dtype);
            dtype_of_name(name_of_type)
                .ok_or_else(|| Refusal::new(format!("{name} of numbers"), dtype))?
        }
        (Some(dtype), _) => dtype,
        (None, _) => return Err(incomplete()),
    };
    let (Some(offset), Some(shape), Some(strides)) =
        (pickle.number(*offset), extents(pickle, *size), extents(pickle, *stride))
    else {
        return Err(incomplete());
    };
    if shape.len() != strides.len() {
        let found = format!("shape {shape:?} with strides {strides:?}");
        return Err(Refusal::new(format!("{name} with a stride for each axis"), found));
    }
    let description = TensorDescription { storage, dtype, shape, strides, offset };
    description.check(name)?;
    Ok(description)
}

/// Reads a tuple of sizes, or a `torch.Size` of one.
fn extents(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let id = match *pickle.get(id) {
        Object::Instance { class, args, .. } if pickle.path(class)? == "torch.Size" => {
            *pickle.items(args)?.first()?
        }
        _ => id,
    };
    let items = pickle.items(id).filter(|items| items.len() <= MAX_AXES)?;
    items.iter().map(|id| pickle.number(*id)).collect()
}

/// Describes the storage `("storage", class, key, device, count)`; older files add `(key, offset, count)` for a part of
/// another storage. Returns `None` if the object is of another form, and the name of the class if its values are no
/// numbers.
pub(super) fn describe_storage(pickle: &Pickle<'_>, id: Id) -> Option<Result<Storage, String>> {
    let Object::Persistent(id) = *pickle.get(id) else { return None };
    let [tag, class, key, _device, count, rest @ ..] = pickle.items(id)? else { return None };
    if pickle.text(*tag)? != "storage" {
        return None;
    }
    let path = pickle.path(*class)?;
    let name = match path.rsplit_once('.')? {
        ("torch" | "torch.cuda" | "torch.storage", name) => name,
        _ => return Some(Err(path)),
    };
    let dtype = match name {
        "UntypedStorage" => None,
        _ => match dtype_of_storage(name) {
            Some(dtype) => Some(dtype),
            None => return Some(Err(path)),
        },
    };
    let count = pickle.number(*count)?;
    let part = match rest.first().map(|id| pickle.items(*id)) {
        Some(Some([_, offset, count])) => (pickle.number(*offset)?, pickle.number(*count)?),
        _ => (0, count),
    };
    let key = match pickle.get(*key) {
        Object::Text(key) => key.to_string(),
        Object::Int(key) => key.to_string(),
        _ => return None,
    };
    Some(Ok(Storage { key, dtype, count, part }))
}

fn dtype_of_storage(name: &str) -> Option<Dtype> {
    Some(match name {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

fn dtype_of_name(name: &str) -> Option<Dtype> {
    Some(match name {
        "float32" => Dtype::F32,
        "float64" => Dtype::F64,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "int64" => Dtype::I64,
        "int32" => Dtype::I32,
        "int16" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint64" => Dtype::U64,
        "uint32" => Dtype::U32,
        "uint16" => Dtype::U16,
        "uint8" => Dtype::U8,
        "bool" => Dtype::BOOL,
        _ => return None,
    })
}

impl TensorDescription {
    /// Returns the length of the values in bytes. [`check`](Self::check) has found it to be possible.
    pub(super) fn length(&self) -> u64 {
        self.shape.iter().fold(width(self.dtype) as u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Checks that all values lie in the storage.
    fn check(&self, name: &str) -> PtResult<()> {
        let Self { shape, strides, storage, .. } = self;
        let refused = |found: String| {
            let expected = format!("{name} within the {} values of its storage", storage.part.1);
            Refusal::new(expected, found)
        };
        let place = || {
            let offset = self.offset;
            refused(format!("shape {shape:?} with strides {strides:?} at offset {offset}"))
        };
        let bytes = shape.iter().try_fold(width(self.dtype), |n, &d| n.checked_mul(d));
        if bytes.is_none() && !shape.contains(&0) {
            return Err(place());
        }
        if shape.contains(&0) {
            return Ok(());
        }
        let past_last = shape.iter().zip(strides).try_fold(self.offset, |at, (&size, &stride)| {
            (size - 1).checked_mul(stride).and_then(|n| at.checked_add(n))
        });
        let end = past_last.and_then(|at| at.checked_add(1));
        let end = end.and_then(|end| end.checked_mul(width(self.dtype)));
        let length = storage.part.1.checked_mul(storage.dtype.map_or(1, width));
        match (end, length) {
            (Some(end), Some(length)) if end <= length => Ok(()),
            _ => Err(place()),
        }
    }

    /// Returns the values in row-major order, from the bytes of the storage. `None` if they do not reach.
    pub(super) fn gather(&self, storage: &[u8]) -> Option<Vec<u8>> {
        let width = width(self.dtype);
        let count = usize::try_from(self.length()).ok()? / width;
        let mut bytes = Vec::with_capacity(count.checked_mul(width)?);
        if count == 0 {
            return Some(bytes);
        }
        let first = self.storage.part.0.checked_add(self.offset)?;
        if self.is_contiguous() {
            let start = first.checked_mul(width)?;
            bytes.extend_from_slice(storage.get(start..start.checked_add(count * width)?)?);
            return Some(bytes);
        }
        let mut index = vec![0usize; self.shape.len()];
        let mut at = first;
        for _ in 0..count {
            let start = at.checked_mul(width)?;
            bytes.extend_from_slice(storage.get(start..start.checked_add(width)?)?);
            // The next index, the last axis first.
            for ((i, &size), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev()
            {
                *i += 1;
                if *i < size {
                    at += stride;
                    break;
                }
                at -= (size - 1) * stride;
                *i = 0;
            }
        }
        Some(bytes)
    }

    /// Returns true if the values are in row-major order without gaps.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size);
            fits
        })
    }
}
