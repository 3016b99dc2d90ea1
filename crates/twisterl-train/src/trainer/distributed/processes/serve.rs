//! The program of a worker process.

use super::link::Link;
use super::wire;
use crate::trainer::distributed::answerer::Answerer;
use crate::trainer::threads;
use crate::{Error, Result};
use std::sync::mpsc;
use twisterl_core::envs::registry::Registry;

/// Answers the requests of the head that started this process, on one thread, and ends with it.
///
/// # Errors
/// If no head has started this process.
pub fn serve(registry: &Registry) -> Result<()> {
    let alone = |error| Error::io("reach the head", "standard input", error);
    let (mut input, mut output) = Link::of_worker().and_then(Link::split).map_err(alone)?;
    let (sender, requests) = mpsc::channel();
    let reader = move || {
        while let Some(request) = wire::read(&mut input) {
            if sender.send(request).is_err() {
                return;
            }
        }
        // The head has gone away, also in the middle of an answer.
        std::process::exit(0)
    };
    std::thread::Builder::new().spawn(reader).map_err(|error| Error::threads(&error))?;
    let pool = threads::pool(1)?;
    let (mut config, mut question) = (Vec::new(), Vec::new());
    let mut answerer = None;
    for (kind, data) in requests {
        match kind {
            wire::CONFIG => (config, answerer) = (data, None),
            wire::QUESTION => question = data,
            _ => {
                let answer = pool.install(|| {
                    answer(
                        &mut answerer,
                        &String::from_utf8_lossy(&config),
                        registry,
                        &question,
                        &data,
                    )
                });
                let (kind, data) = match answer {
                    Ok(answer) => (wire::ANSWER, answer),
                    Err(error) => (wire::FAILURE, error.to_string().into_bytes()),
                };
                if wire::write(&mut output, kind, &data).is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Returns the answer to a part, whose number stands in `part`.
fn answer(
    answerer: &mut Option<Answerer>,
    config: &str,
    registry: &Registry,
    question: &[u8],
    part: &[u8],
) -> Result<Vec<u8>> {
    let number = std::str::from_utf8(part).ok().and_then(|part| part.parse().ok());
    let Some(number) = number else {
        let found = String::from_utf8_lossy(part).into_owned();
        return Err(Error::usage("part", "a whole number", found));
    };
    let answerer = match answerer {
        Some(answerer) => answerer,
        None => answerer.insert(Answerer::new(config, registry)?),
    };
    answerer.answer(question, number)
}
