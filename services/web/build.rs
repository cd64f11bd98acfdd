//! Embeds the assets of the pages: named by a hash of their content, and compressed here once rather than at every
//! request. Embeds the messages, too, with one function for each.

#![allow(clippy::disallowed_methods, reason = "cargo passes settings to build scripts in environment variables")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Message, Pattern, PatternElement};
use sha2::{Digest, Sha256};

/// Files installed by npm: name used by templates, path.
const INSTALLED: [(&str, &str); 2] = [
    ("bootstrap.css", "node_modules/bootstrap/dist/css/bootstrap.min.css"),
    ("htmx.js", "node_modules/htmx.org/dist/htmx.min.js"),
];

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    for (name, path) in INSTALLED {
        let path = root.join(path);
        println!("cargo::rerun-if-changed={}", path.display());
        let missing =
            |_| format!("{} does not exist: run `npm ci` in services/web, as `cargo xtask` does", path.display());
        let text = fs::read_to_string(&path).map_err(missing)?;
        // Source maps are not served.
        let text = text.split("/*# sourceMappingURL").next().unwrap_or_default();
        embed(&mut table, &out, name, text.as_bytes())?;
    }
    let assets = root.join("assets");
    println!("cargo::rerun-if-changed={}", assets.display());
    let mut files: Vec<_> =
        fs::read_dir(&assets)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.extension().is_some_and(|extension| extension == "js") {
            embed(&mut table, &out, &name, without_comments(&fs::read_to_string(&file)?).as_bytes())?;
        } else {
            embed(&mut table, &out, &name, &fs::read(&file)?)?;
        }
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    embed_messages(&root.join("messages"), &out)
}

/// Embeds the messages of each language, and writes one function for each English message.
fn embed_messages(root: &Path, out: &Path) -> Result<(), Box<dyn error::Error>> {
    for language in ["en", "de"] {
        let folder = root.join(language);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files: Vec<_> =
            fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.sort();
        let (mut table, mut functions) = (String::from("&[\n"), String::new());
        for file in files {
            println!("cargo::rerun-if-changed={}", file.display());
            writeln!(table, "({:?}, include_str!({:?})),", file.file_name().unwrap_or_default(), file)?;
            let text = fs::read_to_string(&file)?;
            let resource = fluent_syntax::parser::parse(text.as_str())
                .map_err(|(_, errors)| format!("{}: {errors:?}", file.display()))?;
            for entry in resource.body {
                if let Entry::Message(message) = entry {
                    write_function(&mut functions, &message)?;
                }
            }
        }
        table.push(']');
        fs::write(out.join(format!("messages_{language}.rs")), table)?;
        if language == "en" {
            fs::write(out.join("messages.rs"), functions)?;
        }
    }
    Ok(())
}

/// A function that formats the message; its arguments are the variables in alphabetical order.
fn write_function(functions: &mut String, message: &Message<&str>) -> Result<(), Box<dyn error::Error>> {
    let id = message.id.name;
    let value = message.value.as_ref().ok_or_else(|| format!("the message {id} has no value"))?;
    let mut variables = BTreeSet::new();
    collect_variables(value, &mut variables);
    let list = |each: &dyn Fn(&str) -> String| variables.iter().map(|name| each(name)).collect::<Vec<_>>().join(", ");
    let parameters = list(&|name| format!("{name}: impl Argument"));
    let arguments = list(&|name| format!("(\"{name}\", {name}.value())"));
    let name = id.replace('-', "_");
    writeln!(functions, "pub(crate) fn {name}({parameters}) -> String {{ format(\"{id}\", [{arguments}]) }}")?;
    Ok(())
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

/// A script without the lines that are comments only.
fn without_comments(script: &str) -> String {
    script.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// Writes the file and its compressed forms, and adds a line to the table.
fn embed(table: &mut String, out: &Path, name: &str, body: &[u8]) -> Result<(), Box<dyn error::Error>> {
    let mut brotli = Vec::new();
    let options = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut brotli, &options)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(body)?;
    for (suffix, body) in [("", body), (".br", &brotli), (".gz", &gzip.finish()?)] {
        fs::write(out.join(format!("{name}{suffix}")), body)?;
    }
    // The last 12 digits are enough to distinguish versions.
    let hash = format!("{:x}", Sha256::digest(body)).split_off(52);
    let file = |suffix| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}{suffix}\"))");
    let (plain, brotli, gzip) = (file(""), file(".br"), file(".gz"));
    writeln!(table, "Asset {{ name: \"{name}\", hash: \"{hash}\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},")?;
    Ok(())
}
