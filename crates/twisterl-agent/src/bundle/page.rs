//! The page of a bundle: one file of HTML with a module in it, which shows its board, takes states and moves, and steps
//! through solutions. It loads nothing: its policy on content forbids that to the browser, too.

/// The page, and what stands in its places.
const PAGE: &str = include_str!("../../page/index.html");
const PARTS: [(&str, &str); 4] = [
    ("/* page.css */", include_str!("../../page/page.css")),
    ("/* agent.js */", include_str!("../../js/agent.js")),
    ("/* worker.js */", include_str!("../../page/worker.js")),
    ("/* page.js */", include_str!("../../page/page.js")),
];
const MODULE: &str = "/* bundle */";
/// The line by which the worker finds the file that it stands behind in a page.
const IMPORT: &str = "\nimport { Agent } from \"./agent.js\";\n";

/// Returns the page of a bundle that is a module.
pub fn write(module: &[u8]) -> String {
    let put = |page: String, (place, part): (&str, &str)| {
        page.replacen(place, &part.replacen(IMPORT, "\n", 1), 1)
    };
    let page = PARTS.into_iter().fold(PAGE.to_owned(), put);
    page.replacen(MODULE, &base64::encode(module), 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_place() {
        for (place, part) in PARTS.into_iter().chain([(MODULE, "")]) {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
            // They would end the script that they stand in.
            assert!(!part.contains("</script") && !part.contains("<!--"), "{place}");
            assert!(PARTS.iter().all(|(other, _)| !part.contains(other)), "{place}");
        }
        let importing = PARTS.iter().filter(|(_, part)| part.contains(IMPORT));
        assert!(importing.map(|(place, _)| *place).eq(["/* worker.js */"]));
    }

    #[test]
    fn a_page_contains_the_module_and_names_no_other_file() {
        let module: Vec<u8> = (0..=255).collect();
        let page = write(&module);
        let (_, rest) = page.split_once("id=\"bundle\" type=\"text/plain\">").unwrap();
        let (encoded, _) = rest.split_once("</script>").unwrap();
        assert_eq!(base64::decode(encoded).unwrap(), module);
        for word in [IMPORT, "src=\"", "href=", "https://", "http://"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
