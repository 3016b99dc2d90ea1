//! The start function of a module, as one that the host calls.

use std::borrow::Cow;
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

/// Returns a module that exports its start function instead of running it, and the name under which it does so; a module
/// without one as it is. The module is valid. Custom sections are left out.
pub(crate) fn export_start(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<String>) {
    let payloads = || Parser::new(0).parse_all(bytes).filter_map(Result::ok);
    let start = payloads().find_map(|payload| match payload {
        Payload::StartSection { func, .. } => Some(func),
        _ => None,
    });
    let Some(start) = start else { return (bytes.into(), None) };
    let (mut module, mut name) = (Module::new(), String::from("start"));
    for payload in payloads() {
        match &payload {
            Payload::StartSection { .. } | Payload::CustomSection(_) => {}
            Payload::ExportSection(exports) => {
                let exports = || exports.clone().into_iter().filter_map(Result::ok);
                while exports().any(|export| export.name == name) {
                    name.push('_');
                }
                let mut section = ExportSection::new();
                for export in exports() {
                    section.export(export.name, kind(export.kind), export.index);
                }
                module.section(section.export(&name, ExportKind::Func, start));
            }
            payload => {
                if let Some((id, range)) = payload.as_section()
                    && let Some(data) = bytes.get(range)
                {
                    module.section(&RawSection { id, data });
                }
            }
        }
    }
    (module.finish().into(), Some(name))
}

fn kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}
