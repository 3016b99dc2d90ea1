//! Payloads in WebAssembly modules.
//!
//! A template exports a global `TWISTERL_PAYLOAD`, the address of two numbers of 32 bits that are zero. [`splice`] adds pages
//! at the end of its memory and two data segments: the payload in these pages, and its address and length in the two numbers.
//! A code section is never read or changed, so that the template of any compiler does. Its allocator must take memory from
//! `memory.grow` alone, as Rust's does.
//!
//! The format is that of <https://webassembly.github.io/spec/core/binary/modules.html>.

use super::check_length;
use super::reader::{Reader, write_signed, write_unsigned};
use twisterl_core::{Error, Result};

/// The exported global that holds the address of the two numbers.
pub const SLOT: &str = "TWISTERL_PAYLOAD";
/// The name of the custom section that describes a bundle as JSON, for tools.
pub const METADATA: &str = "twisterl";

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const PAGE: u32 = 1 << 16;
/// The most sections of a module: compilers write about 15, with those of debuggers.
const MAX_SECTIONS: usize = 1000;

const CUSTOM: u8 = 0;
const IMPORT: u8 = 2;
const MEMORY: u8 = 5;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

/// Returns true if a file begins as a WebAssembly module does.
pub fn is_module(file: &[u8]) -> bool {
    file.starts_with(b"\0asm")
}

/// Returns the bundle of a template and a payload. `metadata` is the JSON text of the section [`METADATA`].
///
/// # Errors
/// If `template` is damaged, imports something, has no slot for a payload, or has a payload already; if the memory of a
/// module has no room for the payload.
pub fn splice(template: &[u8], payload: &[u8], metadata: &str) -> Result<Vec<u8>> {
    check_length(payload)?;
    let module = Module::read(template)?;
    if module.custom(METADATA)?.is_some() || module.payload()?.is_some() {
        let found = "a bundle, which has a policy already";
        return Err(Error::bundle("template", "a module without a payload", found));
    }
    let slot = module.slot()?;
    let memory = module.memory()?;
    if u64::from(slot) + 8 > u64::from(memory.pages) * u64::from(PAGE) {
        let expected = format!("8 bytes within the {} pages of memory", memory.pages);
        return Err(Error::bundle(SLOT, expected, format!("address {slot}")));
    }
    let (memory, address) = memory.grown(payload.len())?;
    let slot_content = [address, payload.len() as u32].map(u32::to_le_bytes).concat();
    let data = module.data_with(&[(address, payload), (slot, &slot_content)])?;
    let mut out = Vec::with_capacity(template.len() + payload.len() + metadata.len() + 64);
    out.extend_from_slice(HEADER);
    for section in &module.sections {
        let content = match section.id {
            MEMORY => &memory,
            DATA => &data,
            DATA_COUNT => {
                let mut reader = Reader::new("data count section", section.content);
                let mut content = Vec::new();
                write_unsigned(more(reader.unsigned()?, &reader)?, &mut content);
                write_section(section.id, &content, &mut out);
                continue;
            }
            _ => section.content,
        };
        write_section(section.id, content, &mut out);
    }
    let mut custom = Vec::with_capacity(metadata.len() + 16);
    write_unsigned(METADATA.len() as u32, &mut custom);
    custom.extend_from_slice(METADATA.as_bytes());
    custom.extend_from_slice(metadata.as_bytes());
    write_section(CUSTOM, &custom, &mut out);
    Ok(out)
}

/// Returns the payload of a bundle.
///
/// # Errors
/// If `module` is damaged, is no template or bundle of this project, or a template without a payload.
pub fn payload(module: &[u8]) -> Result<&[u8]> {
    let found = "a template without a policy";
    Module::read(module)?
        .payload()?
        .ok_or_else(|| Error::bundle("module", "a bundle with a policy", found))
}

/// Returns the JSON text that describes a bundle, if it has one.
///
/// # Errors
/// If `module` is damaged, or the text is not UTF-8.
pub fn metadata(module: &[u8]) -> Result<Option<&str>> {
    let Some(text) = Module::read(module)?.custom(METADATA)? else { return Ok(None) };
    let text = std::str::from_utf8(text);
    text.map(Some).map_err(|e| Error::bundle("section twisterl", "UTF-8", e))
}

/// Returns the names of what a module imports, such as `env.abort`.
///
/// # Errors
/// If `module` is damaged.
pub fn imports(module: &[u8]) -> Result<Vec<String>> {
    Module::read(module)?.imports()
}

struct Section<'a> {
    id: u8,
    content: &'a [u8],
}

struct Module<'a> {
    sections: Vec<Section<'a>>,
}

/// The limits of the only memory, in pages.
struct Memory {
    pages: u32,
    most: Option<u32>,
}

impl<'a> Module<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new("module", bytes);
        let expected = "a WebAssembly module of version 1";
        if bytes.len() < HEADER.len() || reader.take(HEADER.len())? != HEADER {
            let shown = bytes.get(..HEADER.len()).unwrap_or(bytes).escape_ascii();
            return Err(reader.error(expected, format!("a file that begins with \"{shown}\"")));
        }
        let mut sections = Vec::new();
        while !reader.is_empty() {
            if sections.len() == MAX_SECTIONS {
                return Err(reader.error(format!("at most {MAX_SECTIONS} sections"), "more"));
            }
            let (id, content) = (reader.byte()?, reader.counted()?);
            if id != CUSTOM && sections.iter().any(|section: &Section<'_>| section.id == id) {
                return Err(reader.error(format!("one section {id}"), "two"));
            }
            sections.push(Section { id, content });
        }
        Ok(Self { sections })
    }

    /// Returns a reader of section `id`; `None` if there is none.
    fn find(&self, id: u8, place: &'static str) -> Option<Reader<'a>> {
        let section = self.sections.iter().find(|section| section.id == id)?;
        Some(Reader::new(place, section.content))
    }

    /// Returns the content of a custom section.
    fn custom(&self, name: &str) -> Result<Option<&'a [u8]>> {
        for section in self.sections.iter().filter(|section| section.id == CUSTOM) {
            let mut reader = Reader::new("custom section", section.content);
            if reader.counted()? == name.as_bytes() {
                return Ok(Some(reader.rest()));
            }
        }
        Ok(None)
    }

    fn imports(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let Some(mut reader) = self.find(IMPORT, "import section") else { return Ok(names) };
        for _ in 0..reader.unsigned()? {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            names.push(format!("{}.{}", text(reader.counted()?), text(reader.counted()?)));
            let kind = reader.byte()?;
            match kind {
                0 => {
                    reader.unsigned()?;
                }
                1 => {
                    reader.byte()?;
                    limits(&mut reader)?;
                }
                2 => {
                    limits(&mut reader)?;
                }
                3 => {
                    reader.take(2)?;
                }
                _ => return Err(reader.error("a kind of import from 0 to 3", kind)),
            }
        }
        Ok(names)
    }

    /// Returns the address of the two numbers.
    fn slot(&self) -> Result<u32> {
        let imports = self.imports()?;
        if !imports.is_empty() {
            let shown = imports.get(..4.min(imports.len())).unwrap_or(&imports).join(", ");
            let found = format!("{} ({shown})", imports.len());
            return Err(Error::bundle("module", "no imports", found));
        }
        let index = self.exported_global(SLOT)?;
        let mut reader = self.find(GLOBAL, "global section").ok_or_else(|| {
            Error::bundle("module", format!("global {index}"), "no section of globals")
        })?;
        let count = reader.unsigned()?;
        for number in 0..count {
            reader.take(2)?; // its type, and whether it changes
            let value = constant(&mut reader)?;
            if number == index {
                let expected = format!("a constant address in the global {SLOT}");
                let found = "another expression";
                return value.ok_or_else(|| reader.error(expected, found));
            }
        }
        Err(reader.error(format!("a global {index}"), format!("{count} globals")))
    }

    fn exported_global(&self, name: &str) -> Result<u32> {
        let foreign = || {
            let expected = format!("a template or bundle, which exports the global {name}");
            Error::bundle("module", expected, "no such export")
        };
        let mut reader = self.find(EXPORT, "export section").ok_or_else(foreign)?;
        for _ in 0..reader.unsigned()? {
            let (found, kind, index) = (reader.counted()?, reader.byte()?, reader.unsigned()?);
            if found == name.as_bytes() && kind == 3 {
                return Ok(index);
            }
        }
        Err(foreign())
    }

    fn memory(&self) -> Result<Memory> {
        let missing = || Error::bundle("module", "one memory", "none");
        let mut reader = self.find(MEMORY, "memory section").ok_or_else(missing)?;
        let count = reader.unsigned()?;
        if count != 1 {
            return Err(reader.error("one memory", count));
        }
        limits(&mut reader)
    }

    /// Calls `visit` with the address and the content of each data segment that has a constant address.
    fn segments(&self, mut visit: impl FnMut(u32, &'a [u8])) -> Result<()> {
        let Some(mut reader) = self.find(DATA, "data section") else { return Ok(()) };
        for _ in 0..reader.unsigned()? {
            let kind = reader.unsigned()?;
            let address = match kind {
                0 => constant(&mut reader)?,
                1 => None,
                2 => {
                    reader.unsigned()?;
                    constant(&mut reader)?
                }
                _ => return Err(reader.error("a kind of segment from 0 to 2", kind)),
            };
            let content = reader.counted()?;
            if let Some(address) = address {
                visit(address, content);
            }
        }
        Ok(())
    }

    fn payload(&self) -> Result<Option<&'a [u8]>> {
        let slot = self.slot()?;
        let mut written = None;
        self.segments(|address, content| {
            if address == slot && content.len() == 8 {
                written = Some(content);
            }
        })?;
        let Some(content) = written else { return Ok(None) };
        let mut reader = Reader::new(SLOT, content);
        let (address, length) =
            (u32::from_le_bytes(reader.fixed()?), u32::from_le_bytes(reader.fixed()?));
        if (address, length) == (0, 0) {
            return Ok(None);
        }
        let mut payload = None;
        self.segments(|at, content| {
            if at == address && content.len() == length as usize {
                payload = Some(content);
            }
        })?;
        let expected = format!("a data segment of {length} bytes at address {address}");
        payload.map(Some).ok_or_else(|| reader.error(expected, "none"))
    }

    /// Returns the data section with more segments.
    fn data_with(&self, segments: &[(u32, &[u8]); 2]) -> Result<Vec<u8>> {
        let missing = || Error::bundle("module", "a data section", "none");
        let mut reader = self.find(DATA, "data section").ok_or_else(missing)?;
        let mut out = Vec::new();
        write_unsigned(more(reader.unsigned()?, &reader)?, &mut out);
        out.extend_from_slice(reader.rest());
        for (address, content) in segments {
            out.extend_from_slice(&[0, 0x41]); // active, in memory 0, at i32.const
            write_signed(*address as i32, &mut out);
            out.push(0x0b);
            write_unsigned(content.len() as u32, &mut out);
            out.extend_from_slice(content);
        }
        Ok(out)
    }
}

impl Memory {
    /// Returns the section of this memory with room for a payload, and the address of the payload.
    fn grown(&self, length: usize) -> Result<(Vec<u8>, u32)> {
        let most = self.most.unwrap_or(PAGE).min(PAGE - 1);
        let needed = length.div_ceil(PAGE as usize) as u64;
        let pages = u64::from(self.pages) + needed;
        if pages > u64::from(most) {
            let expected = format!("room for {needed} more pages in a memory of at most {most}");
            return Err(Error::bundle("memory section", expected, format!("{} used", self.pages)));
        }
        let mut section = vec![1, u8::from(self.most.is_some())];
        write_unsigned(pages as u32, &mut section);
        if let Some(most) = self.most {
            write_unsigned(most, &mut section);
        }
        Ok((section, self.pages * PAGE))
    }
}

/// Returns the number of segments with the two that are added.
fn more(count: u32, reader: &Reader<'_>) -> Result<u32> {
    count.checked_add(2).ok_or_else(|| reader.error("a number of segments", count))
}

fn write_section(id: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(id);
    write_unsigned(content.len() as u32, out);
    out.extend_from_slice(content);
}

/// Reads the limits of a memory or a table.
fn limits(reader: &mut Reader<'_>) -> Result<Memory> {
    let flags = reader.byte()?;
    if flags > 1 {
        return Err(reader.error("a memory of 32 bits that is not shared", format!("kind {flags}")));
    }
    let pages = reader.unsigned()?;
    let most = if flags == 1 { Some(reader.unsigned()?) } else { None };
    Ok(Memory { pages, most })
}

/// Reads a constant expression. Returns its value if it is a single `i32.const`.
fn constant(reader: &mut Reader<'_>) -> Result<Option<u32>> {
    let (mut value, mut only) = (None, true);
    loop {
        match reader.byte()? {
            0x0b => return Ok(value.filter(|_| only)),
            0x41 if value.is_none() => value = Some(reader.signed()? as i32 as u32),
            instruction => {
                only = false;
                match instruction {
                    0x41 | 0x42 => {
                        reader.signed()?;
                    }
                    0x43 => {
                        reader.take(4)?;
                    }
                    0x44 => {
                        reader.take(8)?;
                    }
                    0x23 | 0xd0 | 0xd2 => {
                        reader.unsigned()?;
                    }
                    0x6a..=0x6c | 0x7c..=0x7e => {}
                    0xfd => {
                        // v128.const
                        reader.take(17)?;
                    }
                    other => return Err(reader.error("a constant expression", other)),
                }
            }
        }
    }
}
