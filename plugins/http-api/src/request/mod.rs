//! A request's head: what is asked for, and whether a body must be seen first.

mod body;
pub mod path;

pub(crate) use body::without_separator;
pub use body::{MAX_PARAMETERS, add_body};

use crate::fault;
use crate::media::{Charset, Look, Media, is_token};
use crate::percent;
use crate::settings::{Rules, Unseen};
use path::Path;
use std::collections::BTreeMap;
use weir_sdk::http::{Attribute, Fault, Headers, Operation, Parameter, RequestHead};

/// What a head has told.
#[derive(Debug)]
pub struct Read {
    pub operation: Operation,
    /// how the body is looked at; none when there is none, or it passes unseen
    pub body: Option<Look>,
}

/// A head that is refused, with as much of the operation as is known.
#[derive(Debug)]
pub struct Refused {
    pub operation: Operation,
    pub fault: Fault,
}

/// With these a server of some make takes another method than the one judged, as headers and as parameters.
const METHOD_OVERRIDES: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];
/// With these another path.
const PATH_OVERRIDES: &[&str] = &["x-original-url", "x-original-uri", "x-rewrite-url"];

/// Servers that make variables of headers (CGI, WSGI, PHP) have one for `x_original.url` and `x-original-url`.
fn is_one_of(overrides: &[&str], name: &str) -> bool {
    let dashed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    overrides.iter().any(|known| known.len() == name.len() && name.chars().map(dashed).eq(known.chars()))
}

fn is_override(name: &str) -> bool {
    is_one_of(METHOD_OVERRIDES, name) || is_one_of(PATH_OVERRIDES, name)
}

/// The same as a parameter, and as a member of a JSON body. In any case: Slim calls it `_METHOD`.
const METHOD_PARAMETER: &str = "_method";

fn method_parameter(name: &str) -> Fault {
    Fault::new(fault::BODY, format!("the parameter {name} would make another request of this one"))
}

/// Whether a member of JSON by this name is the method to some server. ASP.NET reads its headers' names as parameters,
/// too.
fn is_method_member(name: &str) -> bool {
    name.eq_ignore_ascii_case(METHOD_PARAMETER) || is_one_of(METHOD_OVERRIDES, name)
}

/// Whether a pair of this name is that parameter, also to PHP, which writes `_` for what its variables cannot have and
/// passes over spaces in front, and to those who read lists (`_method[]`).
fn is_method(name: &str) -> bool {
    let name = name.trim_start_matches(' ');
    let name = name.split(['\0', ']']).next().unwrap_or_default();
    match name.strip_prefix(['_', '.', '[']) {
        Some(rest) => rest.split('[').next().is_some_and(|rest| rest.eq_ignore_ascii_case("method")),
        None => name.split('[').next().is_some_and(is_method_member),
    }
}

/// Bytes of a path that cannot be read, as it is kept for the trail.
const MAX_RAW_BYTES: usize = 2048;

/// Reads a head.
///
/// # Errors
/// When it can be read in two ways, or its body cannot be judged.
pub fn read(head: &RequestHead, rules: &Rules) -> Result<Read, Box<Refused>> {
    let mut operation = bare(head, rules);
    let read = fill(&mut operation, head, rules);
    match read {
        Ok(body) => Ok(Read { operation, body }),
        Err(fault) => Err(Box::new(Refused { operation, fault })),
    }
}

/// What can be said of any request.
fn bare(head: &RequestHead, rules: &Rules) -> Operation {
    // As people read it, so that a masker does.
    let mut raw = percent::undone(&head.path).unwrap_or_else(|| head.path.clone());
    if raw.len() > MAX_RAW_BYTES {
        let end = raw.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_RAW_BYTES).last();
        raw.truncate(end.unwrap_or_default());
    }
    let mut attributes = vec![
        Attribute::new("http-method", &head.method),
        Attribute::new("http-path", &raw),
        Attribute::new("http-authority", &head.authority),
    ];
    let content_types = head.headers.iter().filter(|header| header.name == "content-type");
    attributes.extend(content_types.map(|header| Attribute::new("http-content-type", header.value)));
    let claimed = head.headers.iter().filter(|header| rules.is_claimed(header.name));
    Operation {
        kind: "http.request".to_owned(),
        action: "unknown".to_owned(),
        text: format!("{} {raw}", head.method),
        objects: vec![raw],
        parameters: Vec::new(),
        attributes,
        claimed: claimed.map(|header| Attribute::new(header.name, header.value)).collect(),
    }
}

fn fill(operation: &mut Operation, head: &RequestHead, rules: &Rules) -> Result<Option<Look>, Fault> {
    if !is_token(&head.method) {
        return Err(Fault::new(fault::HEAD, "the method is no word"));
    }
    if let Some(header) = head.headers.iter().find(|header| is_override(header.name)) {
        return Err(Fault::new(
            fault::HEAD,
            format!("the header {} would make another request of this one", header.name),
        ));
    }
    if head.path == "*" && head.method != "OPTIONS" {
        return Err(Fault::new(fault::PATH, "the path `*` is for OPTIONS only"));
    }
    let path = Path::read(&head.path, rules.matrix_parameters)
        .map_err(|why| Fault::new(fault::PATH, format!("the path cannot be judged: {why}")))?;
    let named = path.name(rules);
    operation.action = rules.action(&head.method, &named.text).to_owned();
    operation.text = format!("{} {}", head.method, named.text);
    operation.objects = vec![named.text];
    // As it is understood, not as it is spelled: a masker that reads the trail's copy knows no escapes.
    let normal = path.normal();
    if let Some(path) = operation.attributes.iter_mut().find(|attribute| attribute.name == "http-path") {
        path.value.clone_from(&normal);
    }
    if !operation.objects.contains(&normal) {
        operation.objects.push(normal);
    }
    if ["COPY", "MOVE"].iter().any(|method| head.method.eq_ignore_ascii_case(method)) {
        add_destination(operation, &head.headers, rules)?;
    }
    let mut names = Names::default();
    for (name, value) in named.parameters {
        operation.parameters.push(text_parameter(names.next(&format!("path.{name}")), value));
    }
    if let Some(query) = &head.query {
        let wrong = |why: &str| Fault::new(fault::QUERY, format!("the query cannot be judged: {why}"));
        add_pairs(operation, "query.", query, rules.query_semicolons, wrong)?;
    }
    match head.has_body {
        true => body_of(operation, &head.headers, rules),
        false => Ok(None),
    }
}

/// WebDAV (RFC 4918, section 10.3): these methods write where the header says, so that is asked for as well.
fn add_destination(operation: &mut Operation, headers: &Headers, rules: &Rules) -> Result<(), Fault> {
    let wrong = |why: &str| Fault::new(fault::HEAD, format!("the destination cannot be judged: {why}"));
    for header in headers.iter().filter(|header| header.name == "destination") {
        let path = match header.value.split_once("://") {
            Some((_, behind)) => behind.find('/').and_then(|at| behind.get(at..)).unwrap_or("/"),
            None => header.value,
        };
        let path = Path::read(path, rules.matrix_parameters).map_err(wrong)?;
        for object in [path.name(rules).text, path.normal()] {
            if !operation.objects.contains(&object) {
                operation.objects.push(object);
            }
        }
    }
    Ok(())
}

fn body_of(operation: &mut Operation, headers: &Headers, rules: &Rules) -> Result<Option<Look>, Fault> {
    let mut types = headers.iter().filter(|header| header.name == "content-type");
    let media = types.next().and_then(|header| Media::parse(header.value));
    if types.next().is_some() {
        return Err(Fault::new(fault::HEAD, "more than one content-type"));
    }
    let look = media.as_ref().map_or(Look::Unseen, |media| media.look(&rules.types));
    if look == Look::Unseen {
        operation.attributes.push(Attribute::new("http-body", "unseen"));
        return match rules.unseen_bodies {
            Unseen::Allow => Ok(None),
            Unseen::Refuse => Err(Fault::new(
                fault::UNSEEN_BODY,
                "a body of this content-type cannot be judged: send JSON, a form or text, or ask for the setting \
                 unseen_bodies",
            )),
        };
    }
    if media.is_some_and(|media| media.charset() != Charset::Utf8) {
        return Err(Fault::new(fault::CHARSET, "a body in another charset than UTF-8 cannot be judged"));
    }
    Ok(Some(look))
}

/// What is told of a `;` that is not allowed.
const TWO_READINGS: &str =
    "some servers read `;` as `&`: write it as %3B, or ask for the setting query_semicolons";

/// Adds the pairs of a query or a form. `wrong` makes a refusal of what is wrong with them.
///
/// To some servers (Rack 2, Perl's CGI, gitweb) a `;` ends a pair as `&` does. Where it is allowed, what they read comes
/// behind what all others read.
fn add_pairs(
    operation: &mut Operation,
    prefix: &str,
    text: &str,
    semicolons: bool,
    wrong: impl Fn(&str) -> Fault,
) -> Result<(), Fault> {
    let mut pairs = percent::pairs(text, MAX_PARAMETERS + 1).map_err(&wrong)?;
    let cut = percent::cut_pairs(text, MAX_PARAMETERS + 1).map_err(&wrong)?;
    if let Some((name, _)) = cut.iter().find(|(name, _)| is_method(name)) {
        return Err(method_parameter(name));
    }
    if !semicolons && text.contains(';') {
        return Err(wrong(TWO_READINGS));
    }
    pairs.extend(cut);
    let mut names = Names::default();
    for (name, value) in pairs {
        if is_method(&name) {
            return Err(method_parameter(&name));
        }
        if operation.parameters.len() >= MAX_PARAMETERS {
            return Err(Fault::new(fault::TOO_MANY, "more parameters than can be judged"));
        }
        operation.parameters.push(text_parameter(names.next(&format!("{prefix}{name}")), value));
    }
    Ok(())
}

fn text_parameter(name: String, value: String) -> Parameter {
    Parameter { name, type_name: "string".to_owned(), value: Some(value) }
}

/// Names that come again get a number: `query.tag`, `query.tag[1]`.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn next(&mut self, name: &str) -> String {
        let seen = self.0.entry(name.to_owned()).or_default();
        *seen += 1;
        match *seen {
            1 => name.to_owned(),
            count => format!("{name}[{}]", count - 1),
        }
    }
}
