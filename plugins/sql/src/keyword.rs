//! PostgreSQL's keywords, versions 15 to 18 together, with the two facts its grammar knows of each.
//!
//! *Category* says where the word may stand as a name. A word that is a keyword only in a newer version has
//! that version's category: the older server either reads it as a plain name (then our view is the narrower
//! one) or refuses it. *Label* says whether it may follow an expression as a column's name without `AS`.
//!
//! The lexer looks every unquoted word up once; after that a keyword is a number.

/// Where a keyword may stand as a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// anywhere
    Unreserved,
    /// as a column or table, not as a function or type
    ColName,
    /// as a function or type, not as a column or table
    TypeFunc,
    /// nowhere but after `AS` or a dot
    Reserved,
}

/// Whether a keyword may name an output column without `AS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    Bare,
    NeedsAs,
}

struct Entry {
    text: &'static str,
    keyword: Keyword,
    category: Category,
    label: Label,
}

/// Longest keyword, in bytes: `current_timestamp`.
const LONGEST: usize = 17;

impl Keyword {
    /// The keyword that `word` spells, in whatever case; `Keyword::NotAKeyword` for any other word.
    pub fn of(word: &str) -> Keyword {
        let bytes = word.as_bytes();
        let mut lower = [0u8; LONGEST];
        let Some(target) = lower.get_mut(..bytes.len()) else { return Keyword::NotAKeyword };
        for (to, from) in target.iter_mut().zip(bytes) {
            *to = from.to_ascii_lowercase();
        }
        let target: &[u8] = target;
        let Some(letter) = target.first().and_then(|b| b.checked_sub(b'a')) else {
            return Keyword::NotAKeyword;
        };
        let letter = usize::from(letter);
        let (Some(&from), Some(&to)) = (FIRST_OF_LETTER.get(letter), FIRST_OF_LETTER.get(letter + 1)) else {
            return Keyword::NotAKeyword;
        };
        let bucket = TABLE.get(usize::from(from)..usize::from(to)).unwrap_or(&[]);
        match bucket.binary_search_by(|entry| entry.text.as_bytes().cmp(target)) {
            Ok(at) => bucket.get(at).map_or(Keyword::NotAKeyword, |entry| entry.keyword),
            Err(_) => Keyword::NotAKeyword,
        }
    }

    /// Its text in lower case; empty for `Keyword::NotAKeyword`.
    pub fn text(self) -> &'static str {
        self.entry().map_or("", |entry| entry.text)
    }

    /// Its category; a word that is no keyword counts as unreserved.
    pub fn category(self) -> Category {
        self.entry().map_or(Category::Unreserved, |entry| entry.category)
    }

    /// May it name an output column without `AS`?
    pub fn is_bare_label(self) -> bool {
        self.entry().is_none_or(|entry| entry.label == Label::Bare)
    }

    fn entry(self) -> Option<&'static Entry> {
        (self as usize).checked_sub(1).and_then(|at| TABLE.get(at))
    }
}

macro_rules! keywords {
    ($($name:ident $text:literal $category:ident $label:ident,)*) => {
        /// A keyword, or `None` for a word that is not one.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Keyword {
            /// not a keyword
            NotAKeyword = 0,
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        static TABLE: &[Entry] = &[$(Entry {
            text: $text,
            keyword: Keyword::$name,
            category: Category::$category,
            label: Label::$label,
        },)*];
    };
}

/// Where each letter's keywords begin in `TABLE`; one more for the end of `z`.
static FIRST_OF_LETTER: [u16; 27] = first_of_letter();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where a slip does not build")]
const fn first_of_letter() -> [u16; 27] {
    let mut first = [0u16; 27];
    let mut letter = 0;
    let mut at = 0;
    while letter < 27 {
        while at < TABLE.len() && ((TABLE[at].text.as_bytes()[0] - b'a') as usize) < letter {
            at += 1;
        }
        first[letter] = at as u16;
        letter += 1;
    }
    first
}

keywords! {
    Abort "abort" Unreserved Bare,
    Absent "absent" Unreserved Bare,
    Absolute "absolute" Unreserved Bare,
    Access "access" Unreserved Bare,
    Action "action" Unreserved Bare,
    Add "add" Unreserved Bare,
    Admin "admin" Unreserved Bare,
    After "after" Unreserved Bare,
    Aggregate "aggregate" Unreserved Bare,
    All "all" Reserved Bare,
    Also "also" Unreserved Bare,
    Alter "alter" Unreserved Bare,
    Always "always" Unreserved Bare,
    Analyse "analyse" Reserved Bare,
    Analyze "analyze" Reserved Bare,
    And "and" Reserved Bare,
    Any "any" Reserved Bare,
    Array "array" Reserved NeedsAs,
    As "as" Reserved NeedsAs,
    Asc "asc" Reserved Bare,
    Asensitive "asensitive" Unreserved Bare,
    Assertion "assertion" Unreserved Bare,
    Assignment "assignment" Unreserved Bare,
    Asymmetric "asymmetric" Reserved Bare,
    At "at" Unreserved Bare,
    Atomic "atomic" Unreserved Bare,
    Attach "attach" Unreserved Bare,
    Attribute "attribute" Unreserved Bare,
    Authorization "authorization" TypeFunc Bare,
    Backward "backward" Unreserved Bare,
    Before "before" Unreserved Bare,
    Begin "begin" Unreserved Bare,
    Between "between" ColName Bare,
    Bigint "bigint" ColName Bare,
    Binary "binary" TypeFunc Bare,
    Bit "bit" ColName Bare,
    Boolean "boolean" ColName Bare,
    Both "both" Reserved Bare,
    Breadth "breadth" Unreserved Bare,
    By "by" Unreserved Bare,
    Cache "cache" Unreserved Bare,
    Call "call" Unreserved Bare,
    Called "called" Unreserved Bare,
    Cascade "cascade" Unreserved Bare,
    Cascaded "cascaded" Unreserved Bare,
    Case "case" Reserved Bare,
    Cast "cast" Reserved Bare,
    Catalog "catalog" Unreserved Bare,
    Chain "chain" Unreserved Bare,
    Char "char" ColName NeedsAs,
    Character "character" ColName NeedsAs,
    Characteristics "characteristics" Unreserved Bare,
    Check "check" Reserved Bare,
    Checkpoint "checkpoint" Unreserved Bare,
    Class "class" Unreserved Bare,
    Close "close" Unreserved Bare,
    Cluster "cluster" Unreserved Bare,
    Coalesce "coalesce" ColName Bare,
    Collate "collate" Reserved Bare,
    Collation "collation" TypeFunc Bare,
    Column "column" Reserved Bare,
    Columns "columns" Unreserved Bare,
    Comment "comment" Unreserved Bare,
    Comments "comments" Unreserved Bare,
    Commit "commit" Unreserved Bare,
    Committed "committed" Unreserved Bare,
    Compression "compression" Unreserved Bare,
    Concurrently "concurrently" TypeFunc Bare,
    Conditional "conditional" Unreserved Bare,
    Configuration "configuration" Unreserved Bare,
    Conflict "conflict" Unreserved Bare,
    Connection "connection" Unreserved Bare,
    Constraint "constraint" Reserved Bare,
    Constraints "constraints" Unreserved Bare,
    Content "content" Unreserved Bare,
    Continue "continue" Unreserved Bare,
    Conversion "conversion" Unreserved Bare,
    Copy "copy" Unreserved Bare,
    Cost "cost" Unreserved Bare,
    Create "create" Reserved NeedsAs,
    Cross "cross" TypeFunc Bare,
    Csv "csv" Unreserved Bare,
    Cube "cube" Unreserved Bare,
    Current "current" Unreserved Bare,
    CurrentCatalog "current_catalog" Reserved Bare,
    CurrentDate "current_date" Reserved Bare,
    CurrentRole "current_role" Reserved Bare,
    CurrentSchema "current_schema" TypeFunc Bare,
    CurrentTime "current_time" Reserved Bare,
    CurrentTimestamp "current_timestamp" Reserved Bare,
    CurrentUser "current_user" Reserved Bare,
    Cursor "cursor" Unreserved Bare,
    Cycle "cycle" Unreserved Bare,
    Data "data" Unreserved Bare,
    Database "database" Unreserved Bare,
    Day "day" Unreserved NeedsAs,
    Deallocate "deallocate" Unreserved Bare,
    Dec "dec" ColName Bare,
    Decimal "decimal" ColName Bare,
    Declare "declare" Unreserved Bare,
    Default "default" Reserved Bare,
    Defaults "defaults" Unreserved Bare,
    Deferrable "deferrable" Reserved Bare,
    Deferred "deferred" Unreserved Bare,
    Definer "definer" Unreserved Bare,
    Delete "delete" Unreserved Bare,
    Delimiter "delimiter" Unreserved Bare,
    Delimiters "delimiters" Unreserved Bare,
    Depends "depends" Unreserved Bare,
    Depth "depth" Unreserved Bare,
    Desc "desc" Reserved Bare,
    Detach "detach" Unreserved Bare,
    Dictionary "dictionary" Unreserved Bare,
    Disable "disable" Unreserved Bare,
    Discard "discard" Unreserved Bare,
    Distinct "distinct" Reserved Bare,
    Do "do" Reserved Bare,
    Document "document" Unreserved Bare,
    Domain "domain" Unreserved Bare,
    Double "double" Unreserved Bare,
    Drop "drop" Unreserved Bare,
    Each "each" Unreserved Bare,
    Else "else" Reserved Bare,
    Empty "empty" Unreserved Bare,
    Enable "enable" Unreserved Bare,
    Encoding "encoding" Unreserved Bare,
    Encrypted "encrypted" Unreserved Bare,
    End "end" Reserved Bare,
    Enforced "enforced" Unreserved Bare,
    Enum "enum" Unreserved Bare,
    Error "error" Unreserved Bare,
    Escape "escape" Unreserved Bare,
    Event "event" Unreserved Bare,
    Except "except" Reserved NeedsAs,
    Exclude "exclude" Unreserved Bare,
    Excluding "excluding" Unreserved Bare,
    Exclusive "exclusive" Unreserved Bare,
    Execute "execute" Unreserved Bare,
    Exists "exists" ColName Bare,
    Explain "explain" Unreserved Bare,
    Expression "expression" Unreserved Bare,
    Extension "extension" Unreserved Bare,
    External "external" Unreserved Bare,
    Extract "extract" ColName Bare,
    False "false" Reserved Bare,
    Family "family" Unreserved Bare,
    Fetch "fetch" Reserved NeedsAs,
    Filter "filter" Unreserved NeedsAs,
    Finalize "finalize" Unreserved Bare,
    First "first" Unreserved Bare,
    Float "float" ColName Bare,
    Following "following" Unreserved Bare,
    For "for" Reserved NeedsAs,
    Force "force" Unreserved Bare,
    Foreign "foreign" Reserved Bare,
    Format "format" Unreserved Bare,
    Forward "forward" Unreserved Bare,
    Freeze "freeze" TypeFunc Bare,
    From "from" Reserved NeedsAs,
    Full "full" TypeFunc Bare,
    Function "function" Unreserved Bare,
    Functions "functions" Unreserved Bare,
    Generated "generated" Unreserved Bare,
    Global "global" Unreserved Bare,
    Grant "grant" Reserved NeedsAs,
    Granted "granted" Unreserved Bare,
    Greatest "greatest" ColName Bare,
    Group "group" Reserved NeedsAs,
    Grouping "grouping" ColName Bare,
    Groups "groups" Unreserved Bare,
    Handler "handler" Unreserved Bare,
    Having "having" Reserved NeedsAs,
    Header "header" Unreserved Bare,
    Hold "hold" Unreserved Bare,
    Hour "hour" Unreserved NeedsAs,
    Identity "identity" Unreserved Bare,
    If "if" Unreserved Bare,
    Ilike "ilike" TypeFunc Bare,
    Immediate "immediate" Unreserved Bare,
    Immutable "immutable" Unreserved Bare,
    Implicit "implicit" Unreserved Bare,
    Import "import" Unreserved Bare,
    In "in" Reserved Bare,
    Include "include" Unreserved Bare,
    Including "including" Unreserved Bare,
    Increment "increment" Unreserved Bare,
    Indent "indent" Unreserved Bare,
    Index "index" Unreserved Bare,
    Indexes "indexes" Unreserved Bare,
    Inherit "inherit" Unreserved Bare,
    Inherits "inherits" Unreserved Bare,
    Initially "initially" Reserved Bare,
    Inline "inline" Unreserved Bare,
    Inner "inner" TypeFunc Bare,
    Inout "inout" ColName Bare,
    Input "input" Unreserved Bare,
    Insensitive "insensitive" Unreserved Bare,
    Insert "insert" Unreserved Bare,
    Instead "instead" Unreserved Bare,
    Int "int" ColName Bare,
    Integer "integer" ColName Bare,
    Intersect "intersect" Reserved NeedsAs,
    Interval "interval" ColName Bare,
    Into "into" Reserved NeedsAs,
    Invoker "invoker" Unreserved Bare,
    Is "is" TypeFunc Bare,
    Isnull "isnull" TypeFunc NeedsAs,
    Isolation "isolation" Unreserved Bare,
    Join "join" TypeFunc Bare,
    Json "json" ColName Bare,
    JsonArray "json_array" ColName Bare,
    JsonArrayagg "json_arrayagg" ColName Bare,
    JsonExists "json_exists" ColName Bare,
    JsonObject "json_object" ColName Bare,
    JsonObjectagg "json_objectagg" ColName Bare,
    JsonQuery "json_query" ColName Bare,
    JsonScalar "json_scalar" ColName Bare,
    JsonSerialize "json_serialize" ColName Bare,
    JsonTable "json_table" ColName Bare,
    JsonValue "json_value" ColName Bare,
    Keep "keep" Unreserved Bare,
    Key "key" Unreserved Bare,
    Keys "keys" Unreserved Bare,
    Label "label" Unreserved Bare,
    Language "language" Unreserved Bare,
    Large "large" Unreserved Bare,
    Last "last" Unreserved Bare,
    Lateral "lateral" Reserved Bare,
    Leading "leading" Reserved Bare,
    Leakproof "leakproof" Unreserved Bare,
    Least "least" ColName Bare,
    Left "left" TypeFunc Bare,
    Level "level" Unreserved Bare,
    Like "like" TypeFunc Bare,
    Limit "limit" Reserved NeedsAs,
    Listen "listen" Unreserved Bare,
    Load "load" Unreserved Bare,
    Local "local" Unreserved Bare,
    Localtime "localtime" Reserved Bare,
    Localtimestamp "localtimestamp" Reserved Bare,
    Location "location" Unreserved Bare,
    Lock "lock" Unreserved Bare,
    Locked "locked" Unreserved Bare,
    Logged "logged" Unreserved Bare,
    Mapping "mapping" Unreserved Bare,
    Match "match" Unreserved Bare,
    Matched "matched" Unreserved Bare,
    Materialized "materialized" Unreserved Bare,
    Maxvalue "maxvalue" Unreserved Bare,
    Merge "merge" Unreserved Bare,
    MergeAction "merge_action" ColName Bare,
    Method "method" Unreserved Bare,
    Minute "minute" Unreserved NeedsAs,
    Minvalue "minvalue" Unreserved Bare,
    Mode "mode" Unreserved Bare,
    Month "month" Unreserved NeedsAs,
    Move "move" Unreserved Bare,
    Name "name" Unreserved Bare,
    Names "names" Unreserved Bare,
    National "national" ColName Bare,
    Natural "natural" TypeFunc Bare,
    Nchar "nchar" ColName Bare,
    Nested "nested" Unreserved Bare,
    New "new" Unreserved Bare,
    Next "next" Unreserved Bare,
    Nfc "nfc" Unreserved Bare,
    Nfd "nfd" Unreserved Bare,
    Nfkc "nfkc" Unreserved Bare,
    Nfkd "nfkd" Unreserved Bare,
    No "no" Unreserved Bare,
    None "none" ColName Bare,
    Normalize "normalize" ColName Bare,
    Normalized "normalized" Unreserved Bare,
    Not "not" Reserved Bare,
    Nothing "nothing" Unreserved Bare,
    Notify "notify" Unreserved Bare,
    Notnull "notnull" TypeFunc NeedsAs,
    Nowait "nowait" Unreserved Bare,
    Null "null" Reserved Bare,
    Nullif "nullif" ColName Bare,
    Nulls "nulls" Unreserved Bare,
    Numeric "numeric" ColName Bare,
    Object "object" Unreserved Bare,
    Objects "objects" Unreserved Bare,
    Of "of" Unreserved Bare,
    Off "off" Unreserved Bare,
    Offset "offset" Reserved NeedsAs,
    Oids "oids" Unreserved Bare,
    Old "old" Unreserved Bare,
    Omit "omit" Unreserved Bare,
    On "on" Reserved NeedsAs,
    Only "only" Reserved Bare,
    Operator "operator" Unreserved Bare,
    Option "option" Unreserved Bare,
    Options "options" Unreserved Bare,
    Or "or" Reserved Bare,
    Order "order" Reserved NeedsAs,
    Ordinality "ordinality" Unreserved Bare,
    Others "others" Unreserved Bare,
    Out "out" ColName Bare,
    Outer "outer" TypeFunc Bare,
    Over "over" Unreserved NeedsAs,
    Overlaps "overlaps" TypeFunc NeedsAs,
    Overlay "overlay" ColName Bare,
    Overriding "overriding" Unreserved Bare,
    Owned "owned" Unreserved Bare,
    Owner "owner" Unreserved Bare,
    Parallel "parallel" Unreserved Bare,
    Parameter "parameter" Unreserved Bare,
    Parser "parser" Unreserved Bare,
    Partial "partial" Unreserved Bare,
    Partition "partition" Unreserved Bare,
    Passing "passing" Unreserved Bare,
    Password "password" Unreserved Bare,
    Path "path" Unreserved Bare,
    Period "period" Unreserved Bare,
    Placing "placing" Reserved Bare,
    Plan "plan" Unreserved Bare,
    Plans "plans" Unreserved Bare,
    Policy "policy" Unreserved Bare,
    Position "position" ColName Bare,
    Preceding "preceding" Unreserved Bare,
    Precision "precision" ColName NeedsAs,
    Prepare "prepare" Unreserved Bare,
    Prepared "prepared" Unreserved Bare,
    Preserve "preserve" Unreserved Bare,
    Primary "primary" Reserved Bare,
    Prior "prior" Unreserved Bare,
    Privileges "privileges" Unreserved Bare,
    Procedural "procedural" Unreserved Bare,
    Procedure "procedure" Unreserved Bare,
    Procedures "procedures" Unreserved Bare,
    Program "program" Unreserved Bare,
    Publication "publication" Unreserved Bare,
    Quote "quote" Unreserved Bare,
    Quotes "quotes" Unreserved Bare,
    Range "range" Unreserved Bare,
    Read "read" Unreserved Bare,
    Real "real" ColName Bare,
    Reassign "reassign" Unreserved Bare,
    Recursive "recursive" Unreserved Bare,
    Ref "ref" Unreserved Bare,
    References "references" Reserved Bare,
    Referencing "referencing" Unreserved Bare,
    Refresh "refresh" Unreserved Bare,
    Reindex "reindex" Unreserved Bare,
    Relative "relative" Unreserved Bare,
    Release "release" Unreserved Bare,
    Rename "rename" Unreserved Bare,
    Repeatable "repeatable" Unreserved Bare,
    Replace "replace" Unreserved Bare,
    Replica "replica" Unreserved Bare,
    Reset "reset" Unreserved Bare,
    Restart "restart" Unreserved Bare,
    Restrict "restrict" Unreserved Bare,
    Return "return" Unreserved Bare,
    Returning "returning" Reserved NeedsAs,
    Returns "returns" Unreserved Bare,
    Revoke "revoke" Unreserved Bare,
    Right "right" TypeFunc Bare,
    Role "role" Unreserved Bare,
    Rollback "rollback" Unreserved Bare,
    Rollup "rollup" Unreserved Bare,
    Routine "routine" Unreserved Bare,
    Routines "routines" Unreserved Bare,
    Row "row" ColName Bare,
    Rows "rows" Unreserved Bare,
    Rule "rule" Unreserved Bare,
    Savepoint "savepoint" Unreserved Bare,
    Scalar "scalar" Unreserved Bare,
    Schema "schema" Unreserved Bare,
    Schemas "schemas" Unreserved Bare,
    Scroll "scroll" Unreserved Bare,
    Search "search" Unreserved Bare,
    Second "second" Unreserved NeedsAs,
    Security "security" Unreserved Bare,
    Select "select" Reserved Bare,
    Sequence "sequence" Unreserved Bare,
    Sequences "sequences" Unreserved Bare,
    Serializable "serializable" Unreserved Bare,
    Server "server" Unreserved Bare,
    Session "session" Unreserved Bare,
    SessionUser "session_user" Reserved Bare,
    Set "set" Unreserved Bare,
    Setof "setof" ColName Bare,
    Sets "sets" Unreserved Bare,
    Share "share" Unreserved Bare,
    Show "show" Unreserved Bare,
    Similar "similar" TypeFunc Bare,
    Simple "simple" Unreserved Bare,
    Skip "skip" Unreserved Bare,
    Smallint "smallint" ColName Bare,
    Snapshot "snapshot" Unreserved Bare,
    Some "some" Reserved Bare,
    Source "source" Unreserved Bare,
    Sql "sql" Unreserved Bare,
    Stable "stable" Unreserved Bare,
    Standalone "standalone" Unreserved Bare,
    Start "start" Unreserved Bare,
    Statement "statement" Unreserved Bare,
    Statistics "statistics" Unreserved Bare,
    Stdin "stdin" Unreserved Bare,
    Stdout "stdout" Unreserved Bare,
    Storage "storage" Unreserved Bare,
    Stored "stored" Unreserved Bare,
    Strict "strict" Unreserved Bare,
    String "string" Unreserved Bare,
    Strip "strip" Unreserved Bare,
    Subscription "subscription" Unreserved Bare,
    Substring "substring" ColName Bare,
    Support "support" Unreserved Bare,
    Symmetric "symmetric" Reserved Bare,
    Sysid "sysid" Unreserved Bare,
    System "system" Unreserved Bare,
    SystemUser "system_user" Reserved Bare,
    Table "table" Reserved Bare,
    Tables "tables" Unreserved Bare,
    Tablesample "tablesample" TypeFunc Bare,
    Tablespace "tablespace" Unreserved Bare,
    Target "target" Unreserved Bare,
    Temp "temp" Unreserved Bare,
    Template "template" Unreserved Bare,
    Temporary "temporary" Unreserved Bare,
    Text "text" Unreserved Bare,
    Then "then" Reserved Bare,
    Ties "ties" Unreserved Bare,
    Time "time" ColName Bare,
    Timestamp "timestamp" ColName Bare,
    To "to" Reserved NeedsAs,
    Trailing "trailing" Reserved Bare,
    Transaction "transaction" Unreserved Bare,
    Transform "transform" Unreserved Bare,
    Treat "treat" ColName Bare,
    Trigger "trigger" Unreserved Bare,
    Trim "trim" ColName Bare,
    True "true" Reserved Bare,
    Truncate "truncate" Unreserved Bare,
    Trusted "trusted" Unreserved Bare,
    Type "type" Unreserved Bare,
    Types "types" Unreserved Bare,
    Uescape "uescape" Unreserved Bare,
    Unbounded "unbounded" Unreserved Bare,
    Uncommitted "uncommitted" Unreserved Bare,
    Unconditional "unconditional" Unreserved Bare,
    Unencrypted "unencrypted" Unreserved Bare,
    Union "union" Reserved NeedsAs,
    Unique "unique" Reserved Bare,
    Unknown "unknown" Unreserved Bare,
    Unlisten "unlisten" Unreserved Bare,
    Unlogged "unlogged" Unreserved Bare,
    Until "until" Unreserved Bare,
    Update "update" Unreserved Bare,
    User "user" Reserved Bare,
    Using "using" Reserved Bare,
    Vacuum "vacuum" Unreserved Bare,
    Valid "valid" Unreserved Bare,
    Validate "validate" Unreserved Bare,
    Validator "validator" Unreserved Bare,
    Value "value" Unreserved Bare,
    Values "values" ColName Bare,
    Varchar "varchar" ColName Bare,
    Variadic "variadic" Reserved Bare,
    Varying "varying" Unreserved NeedsAs,
    Verbose "verbose" TypeFunc Bare,
    Version "version" Unreserved Bare,
    View "view" Unreserved Bare,
    Views "views" Unreserved Bare,
    Virtual "virtual" Unreserved Bare,
    Volatile "volatile" Unreserved Bare,
    When "when" Reserved Bare,
    Where "where" Reserved NeedsAs,
    Whitespace "whitespace" Unreserved Bare,
    Window "window" Reserved NeedsAs,
    With "with" Reserved NeedsAs,
    Within "within" Unreserved NeedsAs,
    Without "without" Unreserved NeedsAs,
    Work "work" Unreserved Bare,
    Wrapper "wrapper" Unreserved Bare,
    Write "write" Unreserved Bare,
    Xml "xml" Unreserved Bare,
    Xmlattributes "xmlattributes" ColName Bare,
    Xmlconcat "xmlconcat" ColName Bare,
    Xmlelement "xmlelement" ColName Bare,
    Xmlexists "xmlexists" ColName Bare,
    Xmlforest "xmlforest" ColName Bare,
    Xmlnamespaces "xmlnamespaces" ColName Bare,
    Xmlparse "xmlparse" ColName Bare,
    Xmlpi "xmlpi" ColName Bare,
    Xmlroot "xmlroot" ColName Bare,
    Xmlserialize "xmlserialize" ColName Bare,
    Xmltable "xmltable" ColName Bare,
    Year "year" Unreserved NeedsAs,
    Yes "yes" Unreserved Bare,
    Zone "zone" Unreserved Bare,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_word_is_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.text < b.text));
        assert_eq!(TABLE.iter().map(|entry| entry.text.len()).max(), Some(LONGEST));
        for entry in TABLE {
            assert_eq!(Keyword::of(entry.text), entry.keyword);
            assert_eq!(Keyword::of(&entry.text.to_uppercase()), entry.keyword);
            assert_eq!(entry.keyword.text(), entry.text);
        }
    }

    #[test]
    fn other_words_are_not_keywords() {
        for word in ["", "a", "selec", "selectt", "zzz", "_select", "current_timestampp", "\u{e9}", "{"] {
            assert_eq!(Keyword::of(word), Keyword::NotAKeyword, "{word}");
        }
    }
}
