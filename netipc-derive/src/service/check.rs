//! The rules between what was read: codes, and names that generated code has already.

use syn::Ident;
use syn::ext::IdentExt;

use super::model::{Method, Payload, Service};
use crate::diagnostics::Diagnostics;

/// What every client has as its own.
const OF_CLIENTS: &[&str] =
    &["new", "connect", "config", "refresh", "ready", "status", "abort_handle", "pipeline", "within"];

/// What every pipeline has besides.
const OF_PIPELINES: &[&str] = &["take"];

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
    if OF_CLIENTS.contains(&name.as_str()) {
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
        if service.methods.iter().any(|method| method.ident.unraw() == other) {
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
