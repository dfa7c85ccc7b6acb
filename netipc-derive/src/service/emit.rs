//! Model to tokens: what stands beside the trait.
//!
//! Owns the shape of client and server. Locals begin with `__`, so that parameters may be called anything else.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt;

use super::model::{Form, Method, Param, Part, Payload, Returns, Service};
use super::payload;
use crate::message::emit::Names;
use crate::message::emit::field;
use crate::message::model::Kind;

/// Everything beside a trait that passed the checks.
pub(super) fn emit(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let messages = service.methods.iter().map(|method| payload::emit(service, method));
    let consts = service.methods.iter().enumerate().map(|(index, method)| {
        let (ident, cfgs, name) = (constant(index), &method.cfgs, method.ident.unraw().to_string());
        let code = Literal::u16_suffixed(method.code.unwrap_or_default());
        let once = (!method.idempotent).then(|| quote!(.at_most_once()));
        quote! {
            #(#cfgs)*
            const #ident: #krate::service::MethodInfo = #krate::service::MethodInfo::new(#name, #code) #once;
        }
    });
    let listed = service.methods.iter().enumerate().map(|(index, method)| {
        let (ident, cfgs) = (constant(index), &method.cfgs);
        quote!(#(#cfgs)* #ident)
    });
    let name = &service.name;
    let methods = service.methods.iter().enumerate().map(|(index, method)| Calls { service, method }.emit(index));
    let docs = format!("Calls the methods of [`{}`] in another process.", service.ident.unraw());
    let client_ident = service.named("Client");
    let constants = quote! {
        #(#consts)*
        const __SERVICE: #krate::service::Service = #krate::service::Service::new(#name, &[#(#listed),*]);
    };
    let client = client(service, &docs.to_token_stream(), &quote!(#(#methods)*), &quote!(&__SERVICE), &constants);
    let server = server(service, &quote!(<#client_ident as #krate::client::Stub>::SERVICE));
    let (vis, ident) = (&service.vis, service.named("Server"));
    let docs = format!("Serves a [`{}`] to other processes.", service.ident.unraw());
    quote! {
        #(#messages)*

        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code, clippy::exhaustive_structs)]
        #vis struct #ident;

        #client

        const _: () = {
            #server
        };
    }
}

fn constant(index: usize) -> Ident {
    format_ident!("__METHOD_{index}")
}

/// The client's type and what all clients can do, around the functions for the methods.
pub(super) fn client(
    service: &Service,
    docs: &TokenStream,
    methods: &TokenStream,
    description: &TokenStream,
    constants: &TokenStream,
) -> TokenStream {
    let (krate, vis, client) = (&service.krate, &service.vis, service.named("Client"));
    let client_of = quote!(#krate::client::Client);
    let result = |ty: TokenStream| quote!(::core::result::Result<#ty, #krate::CallError>);
    let (connected, refreshed) = (result(quote!(Self)), result(quote!(#krate::client::Refresh)));
    quote! {
        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code)]
        #vis struct #client(#client_of);

        const _: () = {
            #constants

            #[automatically_derived]
            impl #krate::client::Stub for #client {
                const SERVICE: &'static #krate::service::Service = #description;

                fn over(client: #client_of) -> Self {
                    Self(client)
                }
            }

            #[allow(dead_code, clippy::too_many_arguments)]
            impl #client {
                #[doc = "A client for the service in the directory `run_dir`, not connected yet."]
                #[must_use]
                #vis fn new(run_dir: impl ::core::convert::Into<::std::path::PathBuf>) -> Self {
                    #krate::client::Config::<Self>::new().build(run_dir)
                }

                #[doc = "A client that is connected to the service in the directory `run_dir`."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Why it could not connect."]
                #vis fn connect(run_dir: impl ::core::convert::Into<::std::path::PathBuf>) -> #connected {
                    #krate::client::Config::<Self>::new().connect(run_dir)
                }

                #[doc = "What can be chosen about a client before there is one."]
                #[must_use]
                #vis fn config() -> #krate::client::Config<Self> {
                    #krate::client::Config::<Self>::new()
                }

                #[doc = "Connects, or connects anew, where that is needed, and says what changed."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Why it could not connect."]
                #vis fn refresh(&mut self) -> #refreshed {
                    #client_of::refresh(&mut self.0)
                }

                #[doc = "Whether a call would find a session."]
                #[must_use]
                #vis fn ready(&self) -> ::core::primitive::bool {
                    #client_of::ready(&self.0)
                }

                #[doc = "How the client is."]
                #[must_use]
                #vis fn status(&self) -> #krate::client::Status {
                    #client_of::status(&self.0)
                }

                #[doc = "Frees a blocked call at once, from any thread."]
                #[must_use]
                #vis fn abort_handle(&self) -> #krate::session::Abort {
                    #client_of::abort_handle(&self.0)
                }

                #methods
            }
        };
    }
}

/// The code of one method, at both ends.
struct Calls<'m> {
    service: &'m Service,
    method: &'m Method,
}

impl Calls<'_> {
    fn names(&self) -> Names {
        Names::of(&self.service.krate, &self.service.vis, &self.service.ident)
    }

    fn private(&self) -> TokenStream {
        let krate = &self.service.krate;
        quote!(#krate::private)
    }

    fn request(&self) -> Ident {
        self.service.message(self.method, "Request")
    }

    fn reply(&self) -> Ident {
        self.service.message(self.method, "Reply")
    }

    /// The client's function.
    fn emit(&self, index: usize) -> TokenStream {
        let Self { service, method } = self;
        let (krate, vis, private) = (&service.krate, &service.vis, self.private());
        let (ident, cfgs, docs, constant, reply) =
            (&method.ident, &method.cfgs, &method.docs, constant(index), self.reply());
        let summary = method.docs.is_empty().then(|| {
            let docs = format!("Calls `{}`.", ident.unraw());
            quote!(#[doc = #docs])
        });
        let params = method.params.iter().map(|param| {
            let (ident, ty) = (&param.ident, self.taken(param));
            quote!(#ident: #ty)
        });
        let fill = self.fill();
        let (view, borrows) = self.view();
        let (generics, lifetime) = if borrows { (quote!(<'a>), quote!('a)) } else { (quote!(), quote!()) };
        let (error, widened, answer) = match &method.returns {
            Returns::Outcome(value, error) => {
                let (view, error_ty) = (format_ident!("{}View", reply), &error.ty);
                let cell = field::cell(&self.names(), &error.kind, &error.ty);
                let (pattern, value) = match value {
                    Some(_) => (quote!((__value)), quote!(__value)),
                    None => (quote!(), quote!(())),
                };
                let answer = quote! {
                    match __view {
                        #view::Ok #pattern => ::core::result::Result::Ok(#value),
                        #view::Err(__error) => ::core::result::Result::Err(#krate::CallError::Application(
                            <#cell as #private::Cell>::to_owned(__error),
                        )),
                    }
                };
                (quote!(#krate::CallError<#error_ty>), quote!(__error.widen()), answer)
            }
            Returns::Nothing => (
                quote!(#krate::CallError),
                quote!(__error),
                quote!({
                    let _ = __view;
                    ::core::result::Result::Ok(())
                }),
            ),
            Returns::Value(Part { ty, kind: Kind::Named }) => {
                let bare = quote!(<#ty as #private::Payload>::bare(__view));
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(#bare)))
            }
            Returns::Value(_) => {
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(__view.value())))
            }
            Returns::InPlace(_) => {
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(__view)))
            }
        };
        quote! {
            #(#cfgs)*
            #summary
            #(#docs)*
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Why there is no answer."]
            #vis fn #ident #generics (&#lifetime mut self, #(#params),*) -> ::core::result::Result<#view, #error> {
                match self.0.call::<#reply>(&#constant, |__writer| #fill) {
                    ::core::result::Result::Ok(__view) => #answer,
                    ::core::result::Result::Err(__error) => ::core::result::Result::Err(#widened),
                }
            }
        }
    }

    /// What a client gives for a parameter.
    fn taken(&self, param: &Param) -> TokenStream {
        field::part(&self.names(), &param.kind, &param.ty)
    }

    /// What a client is handed, and whether it borrows from the client.
    fn view(&self) -> (TokenStream, bool) {
        let (krate, names) = (&self.service.krate, self.names());
        let of = |part: &Part| (field::view(&names, &part.kind, &part.ty), field::borrows(&part.kind));
        match &self.method.returns {
            Returns::Nothing | Returns::Outcome(None, _) => (quote!(()), false),
            Returns::Value(part) | Returns::Outcome(Some(part), _) => of(part),
            Returns::InPlace(ty) => (quote!(#krate::View<'a, #ty>), true),
        }
    }

    /// Writes the request where `__writer` stands.
    fn fill(&self) -> TokenStream {
        let (krate, private, request) = (&self.service.krate, self.private(), self.request());
        let done = |written: TokenStream| quote!(::core::result::Result::map(#written, ::core::mem::drop));
        if let (Payload::Itself(ty), [param]) = (self.method.request(), self.method.params.as_slice()) {
            let ident = &param.ident;
            return done(quote!(<#ty as #private::Payload>::write_part(#ident, __writer)));
        }
        let builder = format_ident!("{}Builder", request);
        let sets = self.method.params.iter().map(|param| {
            let ident = &param.ident;
            let setter = match param.kind {
                Kind::List(..) => format_ident!("__set_{}", ident.unraw()),
                _ => ident.clone(),
            };
            quote!(#builder::#setter(&mut __draft, #ident);)
        });
        let mutable = (!self.method.params.is_empty()).then(|| quote!(mut));
        let finish = done(quote!(#krate::codec::Draft::finish(__draft)));
        quote!({
            let #mutable __draft = #request::builder_in(__writer);
            #(#sets)*
            #finish
        })
    }

    /// The arm that serves the method.
    fn serve(&self) -> TokenStream {
        let Self { service, method } = self;
        let (krate, private, request, reply) = (&service.krate, self.private(), self.request(), self.reply());
        let (trait_ident, ident, cfgs) = (&service.ident, &method.ident, &method.cfgs);
        let code = Literal::u16_suffixed(method.code.unwrap_or_default());
        let wire = quote!(#krate::WireMessage);
        let decode = match (method.request(), method.params.as_slice()) {
            (Payload::Itself(ty), [Param { form: Form::Owned, .. }]) => {
                quote!(<#ty as #wire>::decode_owned(__request)?)
            }
            _ => quote!(<#request as #wire>::decode(__request)?),
        };
        let itself = matches!(method.request(), Payload::Itself(_));
        let names = self.names();
        let arguments = method.params.iter().map(|param| self.argument(&names, param, itself));
        let call = method.call.then(|| quote!(__call,));
        let in_place = matches!(method.returns, Returns::InPlace(_)).then(|| quote!(__reply));
        let called = quote!(<__H as #trait_ident>::#ident(&self.0, #call #(#arguments,)* #in_place));
        let encode = |value: TokenStream| quote!(<#reply as #wire>::encode_in(&#value, __reply)?;);
        let answer = match &method.returns {
            Returns::Nothing => {
                let encode = encode(quote!(#reply {}));
                quote!(#called; #encode)
            }
            Returns::Value(Part { kind: Kind::Named, .. }) => encode(called),
            Returns::Value(_) => encode(quote!(#reply { value: #called })),
            Returns::Outcome(value, _) => {
                let (pattern, carried) = match value {
                    Some(_) => (quote!(__value), quote!((__value))),
                    None => (quote!(()), quote!()),
                };
                let encode = encode(quote!(__outcome));
                quote! {
                    let __outcome = match #called {
                        ::core::result::Result::Ok(#pattern) => #reply::Ok #carried,
                        ::core::result::Result::Err(__error) => #reply::Err(__error),
                    };
                    #encode
                }
            }
            Returns::InPlace(ty) => quote!(#private::reply::<#ty>(__reply, |__reply| #called)?;),
        };
        quote! {
            #(#cfgs)*
            #code => {
                let __view = #decode;
                #answer
                ::core::result::Result::Ok(())
            }
        }
    }

    fn argument(&self, names: &Names, param: &Param, itself: bool) -> TokenStream {
        if itself {
            return quote!(__view);
        }
        let (private, ident) = (self.private(), &param.ident);
        match param.form {
            Form::Borrowed => quote!(__view.#ident()),
            Form::Owned => {
                let cell = field::cell(names, &param.kind, &param.ty);
                quote!(<#cell as #private::Cell>::to_owned(__view.#ident()))
            }
        }
    }
}

/// The server's constructor, and what turns requests into calls of the trait.
fn server(service: &Service, description: &TokenStream) -> TokenStream {
    let (krate, vis, ident, server) = (&service.krate, &service.vis, &service.ident, service.named("Server"));
    let arms = service.methods.iter().map(|method| Calls { service, method }.serve());
    let handler = quote!(#ident + ::core::marker::Send + ::core::marker::Sync + 'static);
    quote! {
        struct __Dispatcher<__H>(__H);

        #[automatically_derived]
        impl<__H: #handler> #krate::service::Dispatch for __Dispatcher<__H> {
            fn service(&self) -> &'static #krate::service::Service {
                #description
            }

            #[allow(unused_variables)]
            fn dispatch(
                &self,
                __call: &#krate::Call<'_>,
                __request: &[::core::primitive::u8],
                __reply: &mut #krate::buf::Writer<'_>,
            ) -> ::core::result::Result<(), #krate::service::Failure> {
                match #krate::Call::method(__call).code() {
                    #(#arms)*
                    _ => ::core::result::Result::Err(#krate::service::Failure::Unsupported(#krate::Call::method(__call))),
                }
            }
        }

        #[allow(dead_code, clippy::new_ret_no_self)]
        impl #server {
            #[doc = "A server that has `handler` answer; it is not bound to anything yet."]
            #[must_use]
            #vis fn new(handler: impl #handler) -> #krate::server::Server {
                #krate::server::Server::new(__Dispatcher(handler))
            }
        }
    }
}
