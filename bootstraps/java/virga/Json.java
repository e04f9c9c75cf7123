package virga;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON text to values and back: Map, List, String, Boolean, null and numbers, which are the smallest of
 * Integer, Long, BigInteger that holds them, or Double. What an event is made of has been checked by
 * the platform; what is no JSON is told all the same.
 */
final class Json {
    static final int DEPTH_MAX = 1000;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text);
        json.skipBlanks();
        Object value = json.value(0);
        json.skipBlanks();
        if (json.at != text.length()) throw json.wrong();
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("Unexpected text at offset " + at + " of the JSON");
    }

    private char peek() {
        if (at == text.length()) throw wrong();
        return text.charAt(at);
    }

    private void skipBlanks() {
        while (at < text.length() && text.charAt(at) <= ' ') at++;
    }

    private void expect(char c) {
        if (peek() != c) throw wrong();
        at++;
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw wrong();
        at += word.length();
        return value;
    }

    private Object value(int depth) {
        if (depth > DEPTH_MAX) throw new IllegalArgumentException("JSON is nested deeper than " + DEPTH_MAX);
        switch (peek()) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> members = new LinkedHashMap<String, Object>();
        expect('{');
        skipBlanks();
        while (peek() != '}') {
            String name = string();
            skipBlanks();
            expect(':');
            skipBlanks();
            members.put(name, value(depth + 1));
            skipBlanks();
            if (peek() == '}') break;
            expect(',');
            skipBlanks();
        }
        at++;
        return members;
    }

    private List<Object> array(int depth) {
        List<Object> items = new ArrayList<Object>();
        expect('[');
        skipBlanks();
        while (peek() != ']') {
            items.add(value(depth + 1));
            skipBlanks();
            if (peek() == ']') break;
            expect(',');
            skipBlanks();
        }
        at++;
        return items;
    }

    private String string() {
        expect('"');
        int begin = at;
        while (peek() != '"' && text.charAt(at) != '\\') at++;
        if (text.charAt(at) == '"') return text.substring(begin, at++);
        StringBuilder out = new StringBuilder(text.length() - begin < 256 ? 64 : 256);
        out.append(text, begin, at);
        for (char c; (c = peek()) != '"'; ) {
            at++;
            out.append(c == '\\' ? escape() : c);
        }
        at++;
        return out.toString();
    }

    private char escape() {
        char c = peek();
        at++;
        switch (c) {
            case 'n':
                return '\n';
            case 't':
                return '\t';
            case 'r':
                return '\r';
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'u':
                if (at + 4 > text.length()) throw wrong();
                char unit = (char) Integer.parseInt(text.substring(at, at + 4), 16);
                at += 4;
                return unit;
            default:
                return c;
        }
    }

    private Object number() {
        int begin = at;
        boolean isWhole = true;
        for (; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '.' || c == 'e' || c == 'E') isWhole = false;
            else if (!(c >= '0' && c <= '9') && c != '-' && c != '+') break;
        }
        if (at == begin) throw wrong();
        String digits = text.substring(begin, at);
        if (!isWhole) return Double.valueOf(digits);
        if (digits.length() > 18) return big(new BigInteger(digits));
        long value = Long.parseLong(digits);
        if (value == (int) value) return Integer.valueOf((int) value);
        return Long.valueOf(value);
    }

    private static Number big(BigInteger value) {
        if (value.bitLength() < 64) return Long.valueOf(value.longValue());
        return value;
    }

    /** Appends the string in quotes; half of a surrogate pair becomes an escape, since UTF-8 has none. */
    static void write(StringBuilder out, String value) {
        out.append('"');
        int begin = 0;
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c >= ' ' && c != '"' && c != '\\' && !Character.isSurrogate(c)) continue;
            if (Character.isHighSurrogate(c) && i + 1 < value.length()
                    && Character.isLowSurrogate(value.charAt(i + 1))) {
                i++;
                continue;
            }
            out.append(value, begin, i);
            begin = i + 1;
            escape(out, c);
        }
        out.append(value, begin, value.length()).append('"');
    }

    private static void escape(StringBuilder out, char c) {
        out.append('\\');
        switch (c) {
            case '"':
            case '\\':
                out.append(c);
                break;
            case '\n':
                out.append('n');
                break;
            case '\r':
                out.append('r');
                break;
            case '\t':
                out.append('t');
                break;
            case '\b':
                out.append('b');
                break;
            case '\f':
                out.append('f');
                break;
            default:
                out.append('u');
                for (int shift = 12; shift >= 0; shift -= 4)
                    out.append("0123456789ABCDEF".charAt(c >> shift & 15));
        }
    }
}
