//! COPY: which rows it moves, where, and how they are written.
//!
//! Two syntaxes for options are understood, `(FORMAT csv, HEADER)` and the older `CSV HEADER`. An option that
//! is not known, or given twice, makes the statement unknown: masking rows whose format one has guessed is
//! no masking.

use super::Head;
use super::class::Class;
use super::parser::{Parse, Parser, Stop};
use super::statement::{Copy, CopyFormat, CopyOut, CopySource, Verb};
use crate::decode;
use crate::keyword::Keyword;
use crate::lex::Kind;

/// The options as written.
#[derive(Default)]
struct Options {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    header: Option<bool>,
    encoding: Option<String>,
    others: Vec<String>,
}

impl Parser<'_> {
    pub(super) fn copy(&mut self) -> Parse<(Head, Copy)> {
        self.skip();
        let mut options = Options::default();
        let head = Head::of(Verb::Copy);
        let source = if self.is(Kind::LeftParen) {
            self.skip();
            let first = self.at;
            self.wants_items = true;
            self.deeper(Self::preparable)?;
            self.wants_items = false;
            let span = self.span_from(first);
            self.expect(Kind::RightParen)?;
            CopySource::Query { span, output_items: self.items.take() }
        } else {
            if self.is_word(Keyword::Binary) && self.kind_at(1).is_some_and(Kind::is_name) {
                self.skip();
                options.format = Some(CopyFormat::Binary);
            }
            let name = self.qualified_name()?;
            let mut columns = Vec::new();
            if self.take(Kind::LeftParen) {
                self.list(|p| {
                    let token = p.column_name()?;
                    columns.push(p.name_of(token).into_owned());
                    Ok(())
                })?;
                self.expect(Kind::RightParen)?;
            }
            CopySource::Table { name, columns }
        };
        let is_query = matches!(source, CopySource::Query { .. });
        let comes_in = if self.take_word(Keyword::From) {
            true
        } else {
            self.expect_word(Keyword::To)?;
            false
        };
        if comes_in && is_query {
            return Err(Stop::Unexpected);
        }
        if let CopySource::Table { name, .. } = &source {
            self.object(name.clone(), comes_in);
            self.class(if comes_in { Class::Write } else { Class::Read });
        }
        let program = self.take_word(Keyword::Program);
        // PostgreSQL takes STDIN and STDOUT for each other
        let is_client = !program && self.take_any(&[Keyword::Stdin, Keyword::Stdout]);
        if !is_client {
            self.text_value()?;
        }
        if self.take_word(Keyword::Using) {
            self.expect_word(Keyword::Delimiters)?;
            self.option_text(&mut options.delimiter)?;
        }
        self.take_word(Keyword::With);
        if self.take(Kind::LeftParen) {
            self.list(|p| p.copy_option(&mut options))?;
            self.expect(Kind::RightParen)?;
        } else {
            while !self.at_end() && !self.is_word(Keyword::Where) {
                self.old_copy_option(&mut options)?;
            }
        }
        if comes_in && self.take_word(Keyword::Where) {
            self.expr()?;
        }
        self.expect_end()?;
        if !is_client {
            self.class(Class::FileOrNetwork);
            return Ok((head, Copy::Server));
        }
        if comes_in {
            return Ok((head, Copy::In));
        }
        Ok((head, Copy::Out(options.resolve(source)?)))
    }

    /// One of `(FORMAT csv, HEADER true, ...)`.
    fn copy_option(&mut self, options: &mut Options) -> Parse<()> {
        let token = self.label()?;
        let name = self.name_of(token);
        match &*name {
            "format" => {
                let value = self.option_word()?;
                let format = match &*value {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    _ => return Err(Stop::Unexpected),
                };
                set_once(&mut options.format, format)
            }
            "delimiter" => self.new_option_text(&mut options.delimiter),
            "null" => self.new_option_text(&mut options.null),
            "quote" => self.new_option_text(&mut options.quote),
            "escape" => self.new_option_text(&mut options.escape),
            "encoding" => self.new_option_text(&mut options.encoding),
            "header" => {
                let value = if matches!(self.kind(), Some(Kind::Comma | Kind::RightParen)) {
                    "true".to_owned()
                } else {
                    self.option_word()?
                };
                let header = match &*value {
                    "true" | "on" | "1" | "match" => true,
                    "false" | "off" | "0" => false,
                    _ => return Err(Stop::Unexpected),
                };
                set_once(&mut options.header, header)
            }
            "freeze"
            | "force_quote"
            | "force_not_null"
            | "force_null"
            | "convert_selectively"
            | "default"
            | "on_error"
            | "log_verbosity"
            | "reject_limit" => {
                if options.others.iter().any(|other| *other == name) {
                    return Err(Stop::Unexpected);
                }
                options.others.push(name.into_owned());
                self.option_rest()
            }
            _ => Err(Stop::Unexpected),
        }
    }

    /// The value of an option that does not change how rows are read back.
    fn option_rest(&mut self) -> Parse<()> {
        if self.take(Kind::LeftParen) {
            self.name_list()?;
            return self.expect(Kind::RightParen);
        }
        if self.take(Kind::Star) || matches!(self.kind(), Some(Kind::Comma | Kind::RightParen)) {
            return Ok(());
        }
        self.option_word().map(|_| ())
    }

    fn old_copy_option(&mut self, options: &mut Options) -> Parse<()> {
        let word = self.word();
        self.skip();
        match word {
            Keyword::Binary => set_once(&mut options.format, CopyFormat::Binary),
            Keyword::Csv => set_once(&mut options.format, CopyFormat::Csv),
            Keyword::Freeze => Ok(()),
            Keyword::Header => set_once(&mut options.header, true),
            Keyword::Delimiter => self.option_text(&mut options.delimiter),
            Keyword::Null => self.option_text(&mut options.null),
            Keyword::Quote => self.option_text(&mut options.quote),
            Keyword::Escape => self.option_text(&mut options.escape),
            Keyword::Encoding => self.option_text(&mut options.encoding),
            Keyword::Force => {
                let known = self.take_word(Keyword::Quote)
                    || self.take_words(&[Keyword::Not, Keyword::Null])
                    || self.take_word(Keyword::Null);
                if !known {
                    return Err(Stop::Unexpected);
                }
                if self.take(Kind::Star) { Ok(()) } else { self.name_list() }
            }
            _ => Err(Stop::Unexpected),
        }
    }

    /// `[AS] 'text'`
    fn option_text(&mut self, option: &mut Option<String>) -> Parse<()> {
        self.take_word(Keyword::As);
        let token = self.peek().ok_or(Stop::Unexpected)?;
        let value = decode::literal_text(self.text, token).ok_or(Stop::Unexpected)?.into_owned();
        self.skip();
        set_once(option, value)
    }

    /// The value of a new option that is a text: a literal, or a bare word.
    fn new_option_text(&mut self, option: &mut Option<String>) -> Parse<()> {
        let token = self.peek().ok_or(Stop::Unexpected)?;
        let value = match decode::literal_text(self.text, token) {
            Some(value) => value.into_owned(),
            None if token.kind.is_name() => self.name_of(token).into_owned(),
            None => return Err(Stop::Unexpected),
        };
        self.skip();
        set_once(option, value)
    }

    /// A word, literal or number, in lower case.
    fn option_word(&mut self) -> Parse<String> {
        let token = self.peek().ok_or(Stop::Unexpected)?;
        let value = match decode::literal_text(self.text, token) {
            Some(value) => value.to_ascii_lowercase(),
            None if token.kind.is_name() => self.name_of(token).to_ascii_lowercase(),
            None if matches!(token.kind, Kind::Integer) => token.span.of(self.text).to_owned(),
            None => return Err(Stop::Unexpected),
        };
        self.skip();
        Ok(value)
    }
}

impl Options {
    /// With PostgreSQL's defaults, and refused where PostgreSQL refuses.
    fn resolve(self, source: CopySource) -> Parse<CopyOut> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let is_csv = format == CopyFormat::Csv;
        if !is_csv && (self.quote.is_some() || self.escape.is_some()) {
            return Err(Stop::Unexpected);
        }
        let textual = self.delimiter.is_some() || self.null.is_some() || self.header == Some(true);
        if format == CopyFormat::Binary && textual {
            return Err(Stop::Unexpected);
        }
        let quote = one_byte(self.quote)?.unwrap_or('"');
        Ok(CopyOut {
            source,
            format,
            delimiter: one_byte(self.delimiter)?.unwrap_or(if is_csv { ',' } else { '\t' }),
            null: self.null.unwrap_or(if is_csv { "" } else { "\\N" }.to_owned()),
            quote,
            escape: one_byte(self.escape)?.unwrap_or(quote),
            header: self.header.unwrap_or(false),
            encoding: self.encoding.map(|encoding| encoding.to_ascii_lowercase()),
        })
    }
}

fn one_byte(value: Option<String>) -> Parse<Option<char>> {
    let Some(value) = value else { return Ok(None) };
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if only.is_ascii() => Ok(Some(only)),
        _ => Err(Stop::Unexpected),
    }
}

fn set_once<T>(option: &mut Option<T>, value: T) -> Parse<()> {
    if option.is_some() {
        return Err(Stop::Unexpected);
    }
    *option = Some(value);
    Ok(())
}
