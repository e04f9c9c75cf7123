package virga;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A result as JSON. A bean is its getters and public fields, those first that have a field of the
 * name, and without those that are null; a record its components. What else comes from the JDK and is
 * no collection, is its text.
 */
final class ToJson {
    private static final Map<Class<?>, List<Property>> properties = new HashMap<Class<?>, List<Property>>();

    private static final class Property {
        final String name;
        final Method getter;
        final Field field;

        Property(String name, Method getter, Field field) {
            this.name = name;
            this.getter = getter;
            this.field = field;
        }

        Object of(Object bean) throws Exception {
            try {
                return getter != null ? getter.invoke(bean) : field.get(bean);
            } catch (InvocationTargetException e) {
                if (e.getCause() instanceof Exception) throw (Exception) e.getCause();
                throw e;
            }
        }
    }

    private final StringBuilder out = new StringBuilder(256);
    private int depth;

    static String text(Object value) throws Exception {
        ToJson json = new ToJson();
        json.write(value);
        return json.out.toString();
    }

    private void write(Object value) throws Exception {
        if (++depth > Json.DEPTH_MAX)
            throw new IllegalArgumentException("The result is nested deeper than " + Json.DEPTH_MAX + ", or in itself");
        if (value == null) out.append("null");
        else if (value instanceof String) Json.write(out, (String) value);
        else if (value instanceof Number) number((Number) value);
        else if (value instanceof Boolean) out.append(value);
        else if (value instanceof Map) map((Map<?, ?>) value);
        else if (value instanceof Iterable) items((Iterable<?>) value);
        else if (value instanceof byte[]) bytes((byte[]) value);
        else if (value instanceof ByteBuffer) buffer((ByteBuffer) value);
        else if (value.getClass().isArray()) array(value);
        else if (value instanceof Enum) Json.write(out, ((Enum<?>) value).name());
        else other(value);
        depth--;
    }

    private void other(Object value) throws Exception {
        if (value instanceof Date) out.append(((Date) value).getTime());
        else if (value instanceof Calendar) out.append(((Calendar) value).getTimeInMillis());
        else if (value instanceof Instant) instant((Instant) value);
        else if (value instanceof Optional) write(((Optional<?>) value).orElse(null));
        else if (isText(value.getClass())) Json.write(out, value.toString());
        else bean(value);
    }

    private static boolean isText(Class<?> type) {
        String name = type.getName();
        return name.startsWith("java.") || name.startsWith("javax.") || name.startsWith("sun.")
                || name.startsWith("jdk.") || name.startsWith("org.joda.time.");
    }

    private void number(Number value) {
        boolean isFloat = value instanceof Double || value instanceof Float;
        double number = value.doubleValue();
        if (isFloat && (Double.isNaN(number) || Double.isInfinite(number))) Json.write(out, value.toString());
        else out.append(value);
    }

    private void instant(Instant value) {
        String nanos = String.valueOf(1000000000L + value.getNano());
        out.append(value.getEpochSecond()).append('.').append(nanos, 1, nanos.length());
    }

    private void bytes(byte[] value) {
        out.append('"').append(Base64.getEncoder().encodeToString(value)).append('"');
    }

    private void buffer(ByteBuffer value) {
        byte[] copy = new byte[value.remaining()];
        value.duplicate().get(copy);
        bytes(copy);
    }

    private void map(Map<?, ?> map) throws Exception {
        char before = '{';
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(before);
            before = ',';
            Json.write(out, String.valueOf(entry.getKey()));
            out.append(':');
            write(entry.getValue());
        }
        out.append(before == '{' ? "{}" : "}");
    }

    private void items(Iterable<?> items) throws Exception {
        char before = '[';
        for (Object item : items) {
            out.append(before);
            before = ',';
            write(item);
        }
        out.append(before == '[' ? "[]" : "]");
    }

    private void array(Object array) throws Exception {
        out.append('[');
        for (int i = 0; i < Array.getLength(array); i++) {
            if (i > 0) out.append(',');
            write(Array.get(array, i));
        }
        out.append(']');
    }

    private void bean(Object bean) throws Exception {
        char before = '{';
        for (Property property : propertiesOf(bean.getClass())) {
            Object value = property.of(bean);
            if (value == null) continue;
            out.append(before);
            before = ',';
            Json.write(out, property.name);
            out.append(':');
            write(value);
        }
        out.append(before == '{' ? "{}" : "}");
    }

    private static synchronized List<Property> propertiesOf(Class<?> type) {
        List<Property> known = properties.get(type);
        if (known != null) return known;
        Map<String, Property> found = new LinkedHashMap<String, Property>();
        boolean isRecord = type.getSuperclass() != null && type.getSuperclass().getName().equals("java.lang.Record");
        for (Field field : FromJson.fieldsOf(type)) {
            Property property = null;
            if (isRecord) property = accessor(type, field.getName());
            else if (Modifier.isPublic(field.getModifiers())) property = publicField(field);
            found.put(field.getName(), property);
        }
        for (Method method : type.getMethods()) {
            String name = isRecord ? null : getterName(method);
            if (name == null) continue;
            method.setAccessible(true);
            found.put(name, new Property(name, method, null));
        }
        List<Property> list = new ArrayList<Property>();
        for (Property property : found.values()) if (property != null) list.add(property);
        properties.put(type, list);
        return list;
    }

    private static Property publicField(Field field) {
        field.setAccessible(true);
        return new Property(field.getName(), null, field);
    }

    private static Property accessor(Class<?> type, String name) {
        try {
            Method method = type.getMethod(name);
            method.setAccessible(true);
            return new Property(name, method, null);
        } catch (NoSuchMethodException e) {
            return null; /* no record after all */
        }
    }

    private static String getterName(Method method) {
        String name = method.getName();
        if (method.getParameterCount() > 0 || Modifier.isStatic(method.getModifiers())
                || method.getReturnType() == void.class || method.getDeclaringClass() == Object.class
                || method.isBridge())
            return null;
        if (name.startsWith("get") && name.length() > 3) return FromJson.propertyName(name.substring(3));
        boolean isFlag = method.getReturnType() == boolean.class || method.getReturnType() == Boolean.class;
        return name.startsWith("is") && name.length() > 2 && isFlag ? FromJson.propertyName(name.substring(2)) : null;
    }
}
