import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.*;
import java.util.*;
import java.util.stream.*;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.CopyOut;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** PostgreSQL JDBC: statements, server-prepared statements, fetch sizes, batches, COPY, large objects (function calls), cancel. */
public class Client {
    static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    interface Part { void run(Connection c) throws Exception; }
    interface Action { Object run() throws Exception; }

    public static void main(String[] arguments) throws Exception {
        try (Connection c = connect()) {
            execute(c, "set client_min_messages = warning; drop schema if exists client_jdbc cascade; create schema client_jdbc");
        }
        Map<String, Part> parts = new LinkedHashMap<>();
        parts.put("statements", Client::statements);
        parts.put("prepared", Client::prepared);
        parts.put("fetch size", Client::fetchSize);
        parts.put("batch", Client::batch);
        parts.put("generated keys", Client::generatedKeys);
        parts.put("copy", Client::copy);
        parts.put("large objects", Client::largeObjects);
        parts.put("errors", Client::errors);
        parts.put("transactions", Client::transactions);
        parts.put("types", Client::types);
        parts.put("metadata", Client::metadata);
        parts.put("notifications", Client::notifications);
        parts.put("cancel", Client::cancel);
        parts.put("simple mode", c -> simpleMode());
        parts.put("large", Client::large);
        for (var part : parts.entrySet()) {
            out.println("=== " + part.getKey());
            try (Connection c = connect()) { part.getValue().run(c); }
        }
    }

    static Connection connect(String... more) throws SQLException {
        Properties p = new Properties();
        p.put("user", env("PGUSER", "postgres"));
        p.put("password", env("PGPASSWORD", ""));
        p.put("sslmode", env("PGSSLMODE", "disable"));
        if (System.getenv("PGSSLROOTCERT") != null) p.put("sslrootcert", System.getenv("PGSSLROOTCERT"));
        p.put("currentSchema", "client_jdbc,public");
        p.put("ApplicationName", "jdbc client");
        for (int n = 0; n < more.length; n += 2) p.put(more[n], more[n + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + env("PGHOST", "127.0.0.1") + ":" + env("PGPORT", "5432") + "/" + env("PGDATABASE", "postgres"), p);
    }

    static String env(String name, String otherwise) { return Objects.requireNonNullElse(System.getenv(name), otherwise); }

    static void show(String label, Object value) { out.println(label + ": " + text(value)); }

    static String text(Object value) {
        try {
            if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
            if (value instanceof java.sql.Array array) return Arrays.deepToString((Object[]) array.getArray());
            if (value instanceof SQLXML xml) return xml.getString();
            if (value instanceof int[] counts) return Arrays.toString(counts);
            if (value instanceof Object[] objects) return Arrays.stream(objects).map(Client::text).collect(Collectors.joining(", ", "[", "]"));
            return String.valueOf(value);
        } catch (SQLException problem) { throw new IllegalStateException(problem); }
    }

    static void expectingError(String label, Action action) throws Exception {
        try {
            show(label, "no error: " + text(action.run()));
        } catch (BatchUpdateException error) {
            show(label, error.getSQLState() + " " + error.getMessage() + " " + Arrays.toString(error.getUpdateCounts()));
        } catch (PSQLException error) {
            ServerErrorMessage m = error.getServerErrorMessage();
            show(label, m == null ? error.getSQLState() + " " + error.getMessage() : Arrays.asList(m.getSeverity(), m.getSQLState(), m.getMessage(), m.getDetail(), m.getHint(),
                m.getPosition(), m.getWhere(), m.getSchema(), m.getTable(), m.getColumn(), m.getConstraint(), m.getRoutine()));
        }
    }

    static void rows(String label, ResultSet r) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        StringJoiner columns = new StringJoiner(", ");
        for (int n = 1; n <= m.getColumnCount(); n++) columns.add(m.getColumnLabel(n) + " " + m.getColumnTypeName(n) + " " + m.getColumnType(n) + " " + m.getPrecision(n) + " " + m.getTableName(n));
        show(label, "(" + columns + ")");
        while (r.next()) {
            StringJoiner row = new StringJoiner(" | ", "  ", "");
            for (int n = 1; n <= m.getColumnCount(); n++) row.add(text(r.getObject(n)));
            out.println(row);
        }
        r.close();
    }

    static void execute(Connection c, String sql) throws SQLException { try (Statement s = c.createStatement()) { s.execute(sql); } }
    static Object one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) { r.next(); return r.getObject(1); }
    }

    static void statements(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            rows("select", s.executeQuery("select 1 as a, null::text as b, 'ü 東京 🚚' as c"));
            rows("customers", s.executeQuery("select * from customers where id < 12 or id = 9001 order by id"));
            show("update", s.executeUpdate("update orders set amount = amount where id <= 7"));
            boolean isResult = s.execute("select 1 as a; create table several (x int); insert into several values (1), (2); table several");
            for (int count; isResult | (count = isResult ? 0 : s.getUpdateCount()) >= 0; isResult = s.getMoreResults()) {
                if (isResult) rows("one of several", s.getResultSet()); else show("count", count);
            }
            s.setMaxRows(3);
            rows("at most three", s.executeQuery("select id from customers order by id"));
        }
        try (Statement s = c.createStatement()) {
            s.execute("do $$ begin raise notice 'hear this'; raise warning 'beware'; end $$");
            for (SQLWarning w = s.getWarnings(); w != null; w = w.getNextWarning()) show("warning", w.getSQLState() + " " + w.getMessage());
        }
    }

    static void prepared(Connection c) throws Exception {
        try (PreparedStatement s = c.prepareStatement("select id, full_name, balance, signup_date, birth, tags from customers where id = ?")) {
            for (int n = 1; n <= 14; n++) { // from the fifth on a named statement, then with binary results and no new description
                s.setInt(1, n);
                rows("execution " + n, s.executeQuery());
            }
        }
        try (PreparedStatement s = c.prepareStatement("select 10 / ?")) {
            for (int n = 0; n < 12; n++) {
                s.setInt(1, n % 4);
                expectingError("10 / " + n % 4, () -> { try (ResultSet r = s.executeQuery()) { r.next(); return r.getInt(1); } });
            }
        }
        show("on the server", one(c, "select count(*) from pg_prepared_statements"));
        execute(c, "create table changing (a int); insert into changing values (1)");
        try (PreparedStatement s = c.prepareStatement("select * from changing")) {
            for (int n = 0; n < 7; n++) s.executeQuery().close();
            execute(c, "alter table changing add b text default 'new'");
            expectingError("result type changed", () -> { rows("again", s.executeQuery()); return "it went on"; });
        }
        try (PreparedStatement s = c.prepareStatement("select ?::text as t")) {
            for (int n = 0; n < 7; n++) { s.setString(1, "value " + n); rows("parameter", s.executeQuery()); }
            s.setNull(1, Types.VARCHAR);
            rows("null", s.executeQuery());
        }
    }

    static void fetchSize(Connection c) throws Exception {
        c.setAutoCommit(false);
        try (PreparedStatement s = c.prepareStatement("select id, full_name from customers where id < ? order by id")) {
            for (int round = 0; round < 7; round++) {
                s.setFetchSize(23);
                s.setInt(1, 200);
                long sum = 0;
                try (ResultSet r = s.executeQuery()) { while (r.next()) sum += r.getInt(1); }
                show("portal suspended and resumed", sum);
            }
        }
        try (Statement one = c.createStatement(); Statement two = c.createStatement()) {
            one.setFetchSize(5);
            two.setFetchSize(7);
            try (ResultSet a = one.executeQuery("select n from generate_series(1, 30) n"); ResultSet b = two.executeQuery("select -n from generate_series(1, 30) n")) {
                StringBuilder turns = new StringBuilder();
                while (a.next() && b.next()) turns.append(a.getInt(1)).append(' ').append(b.getInt(1)).append(' ');
                show("two portals in turn", turns);
            }
        }
        try (Statement s = c.createStatement()) {
            s.setFetchSize(10);
            expectingError("fails half way", () -> { int got = 0; try (ResultSet r = s.executeQuery("select 100 / (35 - n) from generate_series(1, 50) n")) { while (r.next()) got++; } return got; });
        }
        c.rollback();
    }

    static void batch(Connection c) throws Exception {
        execute(c, "create table batched (n int primary key, label text)");
        try (PreparedStatement s = c.prepareStatement("insert into batched values (?, ?)")) {
            for (int n = 0; n < 3000; n++) { s.setInt(1, n); s.setString(2, n % 3 == 0 ? null : "row " + n); s.addBatch(); }
            show("batch", Arrays.stream(s.executeBatch()).sum());
            for (int n : new int[] {5000, 5001, 7, 5002}) { s.setInt(1, n); s.setString(2, "x"); s.addBatch(); }
            expectingError("batch error", s::executeBatch);
        }
        try (Statement s = c.createStatement()) {
            s.addBatch("insert into batched values (6000, 'a')");
            s.addBatch("update batched set label = 'b' where n < 10");
            s.addBatch("delete from batched where n = 6000");
            show("mixed batch", s.executeBatch());
        }
        try (Connection rewriting = connect("reWriteBatchedInserts", "true"); PreparedStatement s = rewriting.prepareStatement("insert into batched values (?, ?)")) {
            for (int n = 10000; n < 10999; n++) { s.setInt(1, n); s.setString(2, "rewritten"); s.addBatch(); }
            show("rewritten batch", s.executeBatch().length);
        }
        show("total", one(c, "select count(*) || ' ' || sum(n) || ' ' || count(label) from batched"));
    }

    static void generatedKeys(Connection c) throws Exception {
        execute(c, "create table keyed (id serial primary key, label text, made date default '2024-01-01')");
        try (PreparedStatement s = c.prepareStatement("insert into keyed (label) values (?)", Statement.RETURN_GENERATED_KEYS)) {
            for (int n = 0; n < 8; n++) { s.setString(1, "label " + n); s.executeUpdate(); rows("keys", s.getGeneratedKeys()); }
            for (int n = 0; n < 3; n++) { s.setString(1, "batch " + n); s.addBatch(); }
            s.executeBatch();
            rows("keys of a batch", s.getGeneratedKeys());
        }
        try (CallableStatement s = c.prepareCall("{? = call customer_email(?)}")) {
            s.registerOutParameter(1, Types.VARCHAR);
            s.setInt(2, 9001);
            s.execute();
            show("function", s.getString(1));
        }
        try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE); ResultSet r = s.executeQuery("select id, label from keyed order by id")) {
            r.absolute(3);
            r.updateString("label", "updated through the result");
            r.updateRow();
        }
        rows("updated", c.createStatement().executeQuery("select id, label from keyed where id = 3"));
    }

    static void copy(Connection c) throws Exception {
        CopyManager copies = c.unwrap(PGConnection.class).getCopyAPI();
        execute(c, "create table copied (id int, label text)");
        String lines = IntStream.range(0, 20000).mapToObj(n -> n + "\t" + (n % 5 == 0 ? "\\N" : "row\\t" + n + " ü") + "\n").collect(Collectors.joining());
        show("in", copies.copyIn("copy copied from stdin", new StringReader(lines)));
        StringWriter text = new StringWriter();
        show("out", copies.copyOut("copy (select id, full_name, email, ssn from customers where id < 20 or id = 9001 order by id) to stdout (format csv, header)", text));
        show("csv", text);
        ByteArrayOutputStream binary = new ByteArrayOutputStream();
        show("binary", copies.copyOut("copy (table copied order by id) to stdout (format binary)", binary) + " " + HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(binary.toByteArray())));
        show("binary in", copies.copyIn("copy copied from stdin (format binary)", new ByteArrayInputStream(binary.toByteArray()), 1000));
        expectingError("bad row", () -> copies.copyIn("copy copied from stdin", new StringReader("1\tone\nx\ttwo\n")));
        CopyIn given = copies.copyIn("copy copied from stdin");
        given.writeToCopy("1\tone\n".getBytes(), 0, 6);
        given.cancelCopy();
        expectingError("fails half way", () -> copies.copyOut("copy (select 1 / (500 - n) from generate_series(1, 1000) n) to stdout", new StringWriter()));
        CopyOut left = copies.copyOut("copy (select 1 from generate_series(1, 3)) to stdout");
        int got = 0;
        while (left.readFromCopy() != null) got++;
        show("rows by hand", got + " " + left.getHandledRowCount());
        show("total", one(c, "select count(*) from copied"));
    }

    static void largeObjects(Connection c) throws Exception {
        c.setAutoCommit(false);
        LargeObjectManager manager = c.unwrap(PGConnection.class).getLargeObjectAPI();
        long id = manager.createLO(LargeObjectManager.READ | LargeObjectManager.WRITE);
        byte[] data = new byte[300_000];
        for (int n = 0; n < data.length; n++) data[n] = (byte) (n * 31 >> 3);
        LargeObject object = manager.open(id, LargeObjectManager.WRITE);
        object.write(data);
        object.seek(1000);
        object.write("written over".getBytes());
        show("position", object.tell64());
        object.close();
        object = manager.open(id, LargeObjectManager.READ);
        object.seek(990);
        show("read", object.read(40));
        show("size", object.size64());
        object.seek(0);
        show("digest", MessageDigest.getInstance("MD5").digest(object.getInputStream().readAllBytes()));
        object.close();
        c.commit();
        show("through SQL", one(c, "select length(lo_get(" + id + "))"));
        object = manager.open(id, LargeObjectManager.READ);
        LargeObject readOnly = object;
        expectingError("write to a read-only one", () -> { readOnly.write(new byte[] {1}); return null; });
        c.rollback();
        manager.delete(id);
        c.commit();
        expectingError("gone", () -> manager.open(4_000_000_000L, LargeObjectManager.READ));
        c.rollback();
        show("after", one(c, "select 'alive'"));
        c.rollback();
    }

    static void errors(Connection c) throws Exception {
        for (String sql : List.of("select 1 / 0", "selekt", "select nonsense from customers", "select * from nowhere", "select 'x'::int", "update customers set balance = -5000 where id = 1",
                "insert into customers (id, full_name, email, signup_date) values (1, 'x', 'x@x.de', '2024-01-01')", "do $$ begin raise exception 'mine' using errcode = 'P0042', detail = 'd', hint = 'h'; end $$",
                "select 1; select 1 / 0; select 2")) {
            expectingError(sql, () -> { execute(c, sql); return null; });
        }
        try (PreparedStatement s = c.prepareStatement("select ?::int")) {
            s.setString(1, "x");
            expectingError("bad parameter", s::executeQuery);
            s.setString(1, "7");
            rows("good parameter", s.executeQuery());
        }
        expectingError("no such setting", () -> connect("options", "-c no.such=1 -c nonsense=1"));
    }

    static void transactions(Connection c) throws Exception {
        execute(c, "create table t (x int primary key)");
        c.setAutoCommit(false);
        c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        execute(c, "insert into t values (1)");
        Savepoint point = c.setSavepoint("here");
        expectingError("twice", () -> { execute(c, "insert into t values (1)"); return null; });
        expectingError("aborted", () -> { execute(c, "select 1"); return null; });
        c.rollback(point);
        execute(c, "insert into t values (2)");
        c.commit();
        c.setReadOnly(true);
        expectingError("read only", () -> { execute(c, "insert into t values (3)"); return null; });
        c.rollback();
        rows("kept", c.createStatement().executeQuery("select x from t order by x"));
        c.commit();
        try (Connection careful = connect("autosave", "always")) {
            careful.setAutoCommit(false);
            execute(careful, "insert into t values (10)");
            expectingError("autosave", () -> { execute(careful, "insert into t values (10)"); return null; });
            execute(careful, "insert into t values (11)");
            careful.commit();
            show("after autosave", one(careful, "select count(*) from t"));
        }
    }

    static void types(Connection c) throws Exception {
        String sql = "select ?::int2 a, ?::int8 b, ?::float8 c, ?::numeric d, ?::bool e, ?::text f, ?::bytea g, ?::date h, ?::timestamp i, ?::uuid j, ?::int[] k, ?::text[] l, ?::jsonb m, ?::inet n, '1 day'::interval o, '<a/>'::xml p, 'paid'::order_state q, '(1,2)'::point r";
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int round = 0; round < 7; round++) {
                int n = 0;
                for (Object value : new Object[] {(short) 7, 1L << 40, Math.PI, new java.math.BigDecimal("12345678901234567890.00123"), true, "ü 東京", new byte[] {0, -1, 92}, java.time.LocalDate.of(2024, 2, 29),
                        java.time.LocalDateTime.of(2024, 2, 29, 23, 59, 59, 999999000), UUID.fromString("12345678-1234-5678-1234-567812345678"), c.createArrayOf("int4", new Object[] {1, null, 3}),
                        c.createArrayOf("text", new Object[] {"a", "b,c", null}), "{\"a\": [1, null]}", "10.0.0.1"}) {
                    s.setObject(++n, value);
                }
                if (round % 6 == 0) rows("types, round " + round, s.executeQuery()); else s.executeQuery().close();
            }
        }
    }

    static void metadata(Connection c) throws Exception {
        DatabaseMetaData m = c.getMetaData();
        show("product", m.getDatabaseProductName() + " " + m.getDatabaseProductVersion());
        for (ResultSet r : List.of(m.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), m.getColumns(null, "public", "orders", "%"), m.getPrimaryKeys(null, "public", "orders"),
                m.getImportedKeys(null, "public", "orders"), m.getIndexInfo(null, "public", "orders", false, true), m.getFunctions(null, "public", "customer%"))) rows("metadata", r);
        try (PreparedStatement s = c.prepareStatement("select id, full_name from customers where id = ? and balance > ?")) {
            show("parameters", s.getParameterMetaData().getParameterTypeName(1) + " " + s.getParameterMetaData().getParameterTypeName(2));
            show("columns", s.getMetaData().getColumnTypeName(2));
        }
    }

    static void notifications(Connection c) throws Exception {
        execute(c, "listen news");
        try (Connection other = connect()) {
            for (String payload : List.of("first", "ü 東京", "last")) execute(other, "notify news, '" + payload + "'");
        }
        List<String> heard = new ArrayList<>();
        while (heard.size() < 3) {
            PGNotification[] arrived = c.unwrap(PGConnection.class).getNotifications(30_000);
            if (arrived == null || arrived.length == 0) throw new IllegalStateException("no notification within 30 s");
            for (PGNotification each : arrived) heard.add(each.getName() + "=" + each.getParameter());
        }
        show("heard", heard);
    }

    static void cancel(Connection c) throws Exception {
        show("pid is the server's", one(c, "select pg_backend_pid()").equals(c.unwrap(PGConnection.class).getBackendPID()));
        try (Statement s = c.createStatement()) {
            Thread watcher = new Thread(() -> {
                try {
                    if (new ProcessBuilder(program("await-query"), "jdbc_to_cancel").inheritIO().start().waitFor() != 0) throw new IllegalStateException("the query was never seen");
                    s.cancel();
                } catch (Exception problem) { problem.printStackTrace(); System.exit(1); }
            });
            watcher.start();
            expectingError("cancelled", () -> s.executeQuery("select pg_sleep(60) as jdbc_to_cancel"));
            watcher.join();
            s.setQueryTimeout(1); // the driver's own timer, which cancels too
            expectingError("timed out", () -> s.executeQuery("select pg_sleep(60)"));
        }
        show("after cancel", one(c, "select 'alive'"));
    }

    static String program(String name) { return new File(System.getProperty("client.folder"), "../" + name).getPath(); }

    static void simpleMode() throws Exception {
        try (Connection c = connect("preferQueryMode", "simple"); PreparedStatement s = c.prepareStatement("select id, full_name from customers where id = ? or full_name = ?")) {
            s.setInt(1, 9001);
            s.setString(2, "Íris O'Brien");
            rows("simple", s.executeQuery());
        }
        try (Connection c = connect("preferQueryMode", "extendedCacheEverything", "prepareThreshold", "1", "binaryTransfer", "true")) {
            for (int n = 0; n < 4; n++) rows("everything cached", c.createStatement().executeQuery("select id, balance, birth from customers where id = 9001"));
        }
    }

    static void large(Connection c) throws Exception {
        String text = "x".repeat(5_000_000);
        try (PreparedStatement s = c.prepareStatement("select length(?), repeat('y', 5000000)")) {
            s.setString(1, text);
            try (ResultSet r = s.executeQuery()) { r.next(); show("large", r.getInt(1) + " " + r.getString(2).length()); }
        }
        try (PreparedStatement s = c.prepareStatement("select " + IntStream.range(0, 1600).mapToObj(n -> "?::int").collect(Collectors.joining(", ")))) {
            for (int n = 1; n <= 1600; n++) s.setInt(n, n);
            try (ResultSet r = s.executeQuery()) { r.next(); show("wide", r.getInt(1600)); }
        }
        try (PreparedStatement s = c.prepareStatement("select count(*) from customers where id in (" + "?, ".repeat(31_999) + "?)")) {
            for (int n = 1; n <= 32_000; n++) s.setInt(n, n);
            try (ResultSet r = s.executeQuery()) { r.next(); show("32000 parameters", r.getInt(1)); }
        }
    }
}
