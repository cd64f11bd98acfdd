//! Embeds the assets of the pages: named by a hash of their content, and compressed here once rather than at every
//! request. Draws the bitmaps of the shop's mark. Embeds the messages, too, with one function for each.

#![allow(clippy::disallowed_methods, reason = "cargo passes settings to build scripts in environment variables")]

#[path = "build/mark.rs"]
mod mark;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fmt, fs, iter};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Message, Pattern, PatternElement};
use sha2::{Digest, Sha256};

use mark::Tile;

/// Files installed by npm: name used by templates and by the style sheet, path.
const INSTALLED: [(&str, &str); 3] = [
    ("figtree-extended.woff2", "node_modules/@fontsource-variable/figtree/files/figtree-latin-ext-wght-normal.woff2"),
    ("figtree-latin.woff2", "node_modules/@fontsource-variable/figtree/files/figtree-latin-wght-normal.woff2"),
    ("htmx.js", "node_modules/htmx.org/dist/htmx.min.js"),
];

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={}", root.join("build").display());
    let mut embedded = Embedded { out: PathBuf::from(env::var("OUT_DIR")?), table: String::new(), paths: Vec::new() };
    for (name, path) in INSTALLED {
        let path = root.join(path);
        println!("cargo::rerun-if-changed={}", path.display());
        let missing =
            |_| format!("{} does not exist: run `npm ci` in services/web, as `cargo xtask` does", path.display());
        embedded.add(name, &fs::read(&path).map_err(missing)?)?;
    }
    // The radius of a tile's corners is a quarter of its width. A mask may cut off all but a circle of 80 %, which
    // holds the ticket. A link's preview shows the ticket at half the image's height.
    for (name, size, units, tile) in [
        ("icon-180.png", (180, 180), 32.0, Tile::Full),
        ("icon-192.png", (192, 192), 32.0, Tile::Rounded(8.0)),
        ("icon-512.png", (512, 512), 32.0, Tile::Rounded(8.0)),
        ("icon-maskable.png", (512, 512), 32.0, Tile::Full),
        ("preview.png", (1200, 630), 26.0, Tile::Full),
    ] {
        embedded.add(name, &mark::draw(size, units, &tile)?)?;
    }
    let assets = root.join("assets");
    println!("cargo::rerun-if-changed={}", assets.display());
    let mut files: Vec<_> =
        fs::read_dir(&assets)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file)?;
        let text = match file.extension().and_then(|extension| extension.to_str()) {
            Some("js") => script_without_comments(&text),
            Some("css") => embedded.with_paths(&style_without_comments(&text)),
            _ => text,
        };
        embedded.add(&name, text.as_bytes())?;
    }
    fs::write(embedded.out.join("assets.rs"), format!("&[\n{}]", embedded.table))?;
    embed_messages(&root.join("messages"), &embedded.out)
}

/// Embeds the messages of each language, writes one function for each English message, and lists the variables of the
/// messages for the test that compares the languages.
fn embed_messages(root: &Path, out: &Path) -> Result<(), Box<dyn error::Error>> {
    for language in ["en", "de"] {
        let folder = root.join(language);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files: Vec<_> =
            fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
        let (mut table, mut variables, mut functions) = (String::from("&[\n"), String::from("&[\n"), String::new());
        for file in files {
            println!("cargo::rerun-if-changed={}", file.display());
            let name = file.file_name().unwrap_or_default().display();
            writeln!(table, "(\"{name}\", include_str!(\"{}\")),", file.display())?;
            let text = fs::read_to_string(&file)?;
            let resource = fluent_syntax::parser::parse(text.as_str())
                .map_err(|(_, errors)| format!("{}: {errors:?}", file.display()))?;
            for entry in resource.body {
                if let Entry::Message(message) = entry {
                    let of_message = variables_of(&message)?;
                    writeln!(variables, "(\"{}\", &{of_message:?}),", message.id.name)?;
                    write_function(&mut functions, message.id.name, &of_message)?;
                }
            }
        }
        for (name, mut list) in [("messages", table), ("variables", variables)] {
            list.push(']');
            fs::write(out.join(format!("{name}_{language}.rs")), list)?;
        }
        if language == "en" {
            fs::write(out.join("messages.rs"), functions)?;
        }
    }
    Ok(())
}

/// The variables of a message, in alphabetical order.
fn variables_of<'a>(message: &Message<&'a str>) -> Result<Vec<&'a str>, String> {
    let value = message.value.as_ref().ok_or_else(|| format!("the message {} has no value", message.id.name))?;
    let mut variables = BTreeSet::new();
    collect_variables(value, &mut variables);
    Ok(variables.into_iter().collect())
}

/// Writes a function that formats the message with this id; its arguments are the variables.
fn write_function(functions: &mut String, id: &str, variables: &[&str]) -> fmt::Result {
    let list = |each: &dyn Fn(&str) -> String| variables.iter().map(|name| each(name)).collect::<Vec<_>>().join(", ");
    let parameters = list(&|name| format!("{name}: impl Argument"));
    let arguments = list(&|name| format!("(\"{name}\", {name}.value())"));
    let name = id.replace('-', "_");
    writeln!(functions, "pub(crate) fn {name}({parameters}) -> String {{ format(\"{id}\", [{arguments}]) }}")
}

fn collect_variables<'a>(pattern: &Pattern<&'a str>, variables: &mut BTreeSet<&'a str>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            collect_of_expression(expression, variables);
        }
    }
}

fn collect_of_expression<'a>(expression: &Expression<&'a str>, variables: &mut BTreeSet<&'a str>) {
    let inline = match expression {
        Expression::Inline(inline) => inline,
        Expression::Select { selector, variants } => {
            for variant in variants {
                collect_variables(&variant.value, variables);
            }
            selector
        }
    };
    match inline {
        InlineExpression::VariableReference { id } => {
            variables.insert(id.name);
        }
        InlineExpression::Placeable { expression } => collect_of_expression(expression, variables),
        _ => {}
    }
}

/// A script without the lines that are comments only, and without indentation.
fn script_without_comments(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A style sheet without its comments and indentation.
fn style_without_comments(style: &str) -> String {
    let mut parts = style.split("/*");
    let first = parts.next().unwrap_or_default();
    let rest = parts.filter_map(|part| part.split_once("*/")).map(|(_, rest)| rest);
    let kept: String = iter::once(first).chain(rest).collect();
    kept.lines().map(str::trim).filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
}

/// The assets that are embedded so far.
struct Embedded {
    out: PathBuf,
    /// The Rust expressions of these assets.
    table: String,
    /// Their paths as the style sheet writes them, and with the hash.
    paths: Vec<(String, String)>,
}

impl Embedded {
    /// Writes the file and its compressed forms, and adds a line to the table.
    fn add(&mut self, name: &str, body: &[u8]) -> Result<(), Box<dyn error::Error>> {
        // The last 12 digits are enough to distinguish versions.
        let hash = format!("{:x}", Sha256::digest(body)).split_off(52);
        fs::write(self.out.join(name), body)?;
        let compressed = if is_compressed(name) {
            "None".to_owned()
        } else {
            let mut brotli = Vec::new();
            let options = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
            brotli::BrotliCompress(&mut &body[..], &mut brotli, &options)?;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(body)?;
            fs::write(self.out.join(format!("{name}.br")), brotli)?;
            fs::write(self.out.join(format!("{name}.gz")), gzip.finish()?)?;
            let (brotli, gzip) = (include(&format!("{name}.br")), include(&format!("{name}.gz")));
            format!("Some(Compressed {{ brotli: {brotli}, gzip: {gzip} }})")
        };
        let plain = include(name);
        writeln!(
            self.table,
            "Asset {{ name: \"{name}\", hash: \"{hash}\", plain: {plain}, compressed: {compressed} }},"
        )?;
        // The same path as `Asset::path` returns.
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        self.paths.push((format!("/assets/{name}"), format!("/assets/{stem}-{hash}.{extension}")));
        Ok(())
    }

    /// The text with the paths of the assets that it refers to.
    fn with_paths(&self, text: &str) -> String {
        self.paths.iter().fold(text.to_owned(), |text, (name, path)| text.replace(name, path))
    }
}

/// Whether the file's format is compressed already.
fn is_compressed(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension == "png" || extension == "woff2")
}

/// The Rust expression for the content of an embedded file.
fn include(name: &str) -> String {
    format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))")
}
