//! The rules between what was read: codes, and names that generated code has already.

use quote::ToTokens;
use syn::Ident;
use syn::ext::IdentExt;

use syn::Type;

use super::model::{KeyType, Lookup, Method, Part, Payload, Returns, Service};
use crate::diagnostics::Diagnostics;
use crate::message::check::{MOST_TAILS, types};
use crate::message::model::Kind;

/// What every client has as its own.
const OF_CLIENTS: &[&str] =
    &["new", "connect", "config", "refresh", "ready", "status", "abort_handle", "pipeline", "within"];

/// What every pipeline has besides.
const OF_PIPELINES: &[&str] = &["take"];

/// Whether every client has a function of that name.
pub(super) fn is_of_clients(name: &str) -> bool {
    OF_CLIENTS.contains(&name)
}

/// Fields that a key can have.
const MOST_KEYS: usize = 8;

/// Names that a field of a request cannot have, and whose they are.
const OF_MESSAGES: &[(&str, &str)] =
    &[("to_owned", "View"), ("clone", "View"), ("fmt", "View"), ("new", "Builder"), ("finish", "Builder")];

/// Checks what a macro can know of the whole service.
pub(super) fn check(service: &Service, errors: &mut Diagnostics) {
    name(service, errors);
    codes(&service.methods, errors);
    for (index, method) in service.methods.iter().enumerate() {
        let earlier = service.methods.get(..index).unwrap_or_default();
        clashes(service, method, earlier, errors);
        params(service, method, errors);
        kinds(service, method, errors);
        snapshot(service, method, earlier, errors);
        lookup(service, method, errors);
    }
}

/// What can nest in what, and that no type is called as one that is generated.
fn kinds(service: &Service, method: &Method, errors: &mut Diagnostics) {
    let params = method.params.iter().map(|param| (&param.kind, &param.ty));
    let part = |part: &'_ Part| (part.kind.clone(), part.ty.clone());
    let returned: Vec<(Kind, Type)> = match &method.returns {
        Returns::Nothing => Vec::new(),
        Returns::Value(value) => vec![part(value)],
        Returns::Outcome(value, error) => value.iter().map(part).chain([part(error)]).collect(),
        Returns::InPlace(ty) => vec![(Kind::Named, ty.clone())],
    };
    for (kind, ty) in params.chain(returned.iter().map(|(kind, ty)| (kind, ty))) {
        types::nesting(kind, ty, true, errors);
        each_named(kind, ty, &mut |ty| taken(service, ty, errors));
    }
    if let Some(param) = method.params.iter().filter(|param| param.kind.is_variable()).nth(MOST_TAILS) {
        let message = format!(
            "at most {MOST_TAILS} parameters of one method vary in length; put `{}` and those behind it into a message",
            param.ident
        );
        errors.error(&param.ident, message);
    }
}

/// Every type inside `ty` that the macro knows nothing of but its name.
fn each_named(kind: &Kind, ty: &Type, see: &mut impl FnMut(&Type)) {
    match kind {
        Kind::Named => see(ty),
        Kind::Option(inner, ty) | Kind::List(inner, ty) => each_named(inner, ty, see),
        Kind::Tuple(parts) => parts.iter().for_each(|(kind, ty)| each_named(kind, ty, see)),
        _ => {}
    }
}

fn taken(service: &Service, ty: &Type, errors: &mut Diagnostics) {
    let Type::Path(path) = ty else { return };
    let Some(name) = path.path.get_ident() else { return };
    let ends = ["Client", "Server", "Pipeline"].map(|end| service.named(end));
    let of_snapshots = service.methods.iter().filter(|method| method.snapshot.is_some());
    let of_snapshots = of_snapshots.flat_map(|method| [service.named("Cache"), service.message(method, "Source")]);
    let messages = service.methods.iter().flat_map(|method| {
        let names = ["Request", "RequestView", "RequestBuilder", "Reply", "ReplyView", "ReplyBuilder"];
        names.map(|what| service.message(method, what))
    });
    let of_lookups = service.methods.iter().filter(|method| method.lookup.is_some());
    let of_lookups = of_lookups.flat_map(|method| ["Lookup", "Cache"].map(|what| service.message(method, what)));
    if ends.into_iter().chain(messages).chain(of_snapshots).chain(of_lookups).any(|generated| generated == *name) {
        errors.error(ty, format!("`{name}` conflicts with the generated type of that name; rename yours"));
    }
}

fn snapshot(service: &Service, method: &Method, earlier: &[Method], errors: &mut Diagnostics) {
    let Some(snapshot) = &method.snapshot else { return };
    if earlier.iter().any(|it| it.snapshot.is_some() && !it.may_exclude(method)) {
        let cache = service.named("Cache");
        errors.error_at(
            snapshot.span,
            format!("there is a `{cache}` already; put this snapshot into a service of its own"),
        );
    }
    if let Some(field) = snapshot.key.get(MOST_KEYS) {
        errors.error(field, format!("at most {MOST_KEYS} fields make a key; leave out what the others tell already"));
    }
    if !matches!(method.reply(), Payload::Itself(_)) {
        let message = "a snapshot is a message with a list; fill a `Reply<'_, M>`, or return one";
        errors.error_at(snapshot.span, message);
    }
    if matches!(method.request(), Payload::Generated) {
        let message = "a cache has nothing to ask with; a snapshot's method takes no parameters, or one message that may be empty";
        errors.error_at(snapshot.span, message);
    }
}

fn lookup(service: &Service, method: &Method, errors: &mut Diagnostics) {
    let Some(Lookup { words, key, item }) = &method.lookup else { return };
    if !method.idempotent {
        let message = "a lookup changes nothing, and is asked again for what had no room; leave `idempotent` out";
        errors.error_at(words.span, message);
    }
    if method.snapshot.is_some() {
        errors.error_at(words.span, "a method is a snapshot or a lookup; make two of it");
    }
    let of_messages = [(&words.keys, "Request"), (&words.items, "Reply"), (&words.generation, "Reply")];
    for (field, message) in of_messages {
        let name = field.unraw().to_string();
        if let Some((_, owner)) = OF_MESSAGES.iter().find(|(taken, _)| *taken == name) {
            let owner = service.message(method, &format!("{message}{owner}"));
            errors.error(field, format!("`{name}` conflicts with generated `{owner}::{name}`; choose another name"));
        }
    }
    if words.items == words.generation {
        errors.error(&words.generation, "the items have this name already; choose another for the generation");
    }
    if words.exceeded.to_token_stream().to_string() == words.oversized.to_token_stream().to_string() {
        let message =
            "this says already that there was no room left; an item that fits no answer has a status of its own";
        errors.error(&words.oversized, message);
    }
    taken(service, item, errors);
    if let KeyType::Message(key) = key {
        taken(service, key, errors);
    }
}

fn name(service: &Service, errors: &mut Diagnostics) {
    let Some(literal) = &service.name else { return };
    let name = literal.value();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || [".", ".."].contains(&name.as_str()) || !name.bytes().all(allowed) {
        let message = format!(
            "{name:?} is no name of a service; use letters, digits, '.', '_' and '-', and neither \".\" nor \"..\""
        );
        errors.error(literal, message);
    }
}

fn codes(methods: &[Method], errors: &mut Diagnostics) {
    for (index, method) in methods.iter().enumerate() {
        let Some(code) = method.code else { continue };
        let earlier = methods.iter().take(index).find(|it| it.code == Some(code) && !it.may_exclude(method));
        if let Some(earlier) = earlier {
            let (first, second) = (&earlier.ident, &method.ident);
            let message =
                format!("`{first}` has the code {code} already; give `{second}` another with `#[method(code = N)]`");
            errors.error_at(method.code_span, message);
        }
    }
}

fn clashes(service: &Service, method: &Method, earlier: &[Method], errors: &mut Diagnostics) {
    let name = method.ident.unraw().to_string();
    let client = service.named("Client");
    let taken = |owner: &Ident, errors: &mut Diagnostics| {
        errors.error(&method.ident, format!("`{name}` conflicts with generated `{owner}::{name}`; rename the method"));
    };
    if let Some(first) = earlier.iter().find(|it| it.ident.unraw() == name && !it.may_exclude(method)) {
        return errors.error(&method.ident, format!("there is a method `{}` already; rename one", first.ident.unraw()));
    }
    if is_of_clients(&name) {
        return taken(&client, errors);
    }
    if OF_PIPELINES.contains(&name.as_str()) {
        return taken(&service.named("Pipeline"), errors);
    }
    if name.starts_with("__") {
        let message = format!("`{name}` conflicts with generated names, which begin with `__`; rename the method");
        return errors.error(&method.ident, message);
    }
    if let Some(other) = name.strip_suffix("_batch") {
        if service.methods.iter().any(|method| method.lookup.is_none() && method.ident.unraw() == other) {
            let message = format!(
                "`{name}` conflicts with generated `{client}::{name}`, which calls `{other}` many times; rename the method"
            );
            return errors.error(&method.ident, message);
        }
    }
    let camel = method.camel();
    if let Some(first) = earlier.iter().find(|it| it.camel() == camel && !it.may_exclude(method)) {
        let (request, first) = (service.message(method, "Request"), &first.ident);
        let message = format!("`{first}` makes the message `{request}` already; rename `{name}`");
        errors.error(&method.ident, message);
    }
}

fn params(service: &Service, method: &Method, errors: &mut Diagnostics) {
    for (index, param) in method.params.iter().enumerate() {
        let name = param.ident.unraw();
        if method.params.iter().take(index).any(|earlier| earlier.ident.unraw() == name) {
            errors.error(&param.ident, format!("there is a parameter `{name}` already; rename one"));
        }
    }
    if !matches!(method.request(), Payload::Generated) {
        return;
    }
    for param in &method.params {
        let name = param.ident.unraw().to_string();
        if name.starts_with("__") {
            let message =
                format!("`{name}` conflicts with generated names, which begin with `__`; rename the parameter");
            errors.error(&param.ident, message);
        } else if let Some((_, owner)) = OF_MESSAGES.iter().find(|(taken, _)| *taken == name) {
            let owner = service.message(method, &format!("Request{owner}"));
            let message = format!("`{name}` conflicts with generated `{owner}::{name}`; rename the parameter");
            errors.error(&param.ident, message);
        }
    }
}
