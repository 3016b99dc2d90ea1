//! Observations as arrays of a checkpoint or a message.

use crate::Result;
use crate::record::snapshot::{ArrayData, Arrays};
use twisterl_core::space::Observations;

/// Appends observations as arrays, whose names begin with `name`.
pub fn save(observations: &Observations, name: &str, arrays: &mut Vec<(String, ArrayData)>) {
    let counts = (0..observations.len()).map(|row| observations.ones(row).len() as u32);
    for (part, data) in [
        ("counts", ArrayData::U32(counts.collect())),
        ("indices", ArrayData::U32(observations.indices().to_vec())),
        ("dense", ArrayData::F32(observations.dense().to_vec())),
    ] {
        arrays.push((format!("{name}.{part}"), data));
    }
}

/// Reads the arrays of [`save`].
///
/// # Errors
/// If an array is missing, or their lengths do not fit each other.
pub fn load(name: &str, arrays: Arrays<'_>) -> Result<Observations> {
    let named = |part: &str| format!("{name}.{part}");
    let (counts, indices) = (arrays.whole(&named("counts"))?, arrays.whole(&named("indices"))?);
    let dense = arrays.floats(&named("dense"))?;
    if !dense.len().is_multiple_of(counts.len().max(1)) || counts.is_empty() && !dense.is_empty() {
        let expected = format!("as many in each of {} rows", counts.len());
        return Err(arrays.wrong(&named("dense"), &expected));
    }
    let mut end = 0u32;
    let ends = counts.iter().map(|&count| {
        end = end.checked_add(count)?;
        Some(end)
    });
    let ends: Option<Vec<u32>> = ends.collect();
    let ends = ends.filter(|ends| ends.last().map_or(0, |&end| end as usize) == indices.len());
    let Some(ends) = ends else {
        return Err(arrays.wrong(&named("indices"), "as many as the counts say"));
    };
    let mut observations = Observations::new();
    observations.push_rows(&ends, indices, dense);
    Ok(observations)
}
