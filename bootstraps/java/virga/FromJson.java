package virga;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Values that Json has read as what a handler wants: its declared types, collections of them, and
 * beans (a constructor without parameters, then setters and public fields, by the name of the
 * property). Members that a bean does not have are left out. As AWS's serializer takes them: one item
 * for a list, a list of one for an item, an empty text for no object, a text for a number.
 *
 * Classes without such a constructor (records, and AWS's event classes that do not change) are made by
 * the one that has a parameter for each field. In AWS's event classes the case of names does not
 * count ("Records", eventSourceARN), and times are numbers of seconds.
 */
final class FromJson {
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";
    private static final double SECONDS_BELOW = 1e11; /* milliseconds are more than this since 1973 */

    private FromJson() {}

    private static IllegalArgumentException cannot(Object value, Type type) {
        String from = value instanceof Map ? "an object" : value instanceof List ? "an array" : value.toString();
        return new IllegalArgumentException("Cannot deserialize value of type `" + type.getTypeName() + "` from " + from);
    }

    static Object to(Object value, Type type) throws Exception {
        if (type instanceof Class) return toClass(value, (Class<?>) type, type);
        if (type instanceof ParameterizedType)
            return toClass(value, (Class<?>) ((ParameterizedType) type).getRawType(), type);
        if (type instanceof GenericArrayType)
            return value == null ? null : toArray(value, ((GenericArrayType) type).getGenericComponentType());
        if (type instanceof TypeVariable) return to(value, ((TypeVariable<?>) type).getBounds()[0]);
        return to(value, ((WildcardType) type).getUpperBounds()[0]);
    }

    private static Type argument(Type type, int index) {
        if (!(type instanceof ParameterizedType)) return Object.class;
        Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
        return index < arguments.length ? arguments[index] : Object.class;
    }

    private static Object toClass(Object value, Class<?> raw, Type type) throws Exception {
        if (raw == Optional.class) return Optional.ofNullable(to(value, argument(type, 0)));
        if (value == null) return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        if (raw == Object.class) return value;
        if (raw == byte[].class && value instanceof String) return Base64.getDecoder().decode((String) value);
        if (raw.isArray()) return toArray(value, raw.getComponentType());
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) return toCollection(value, raw, type);
        if (value instanceof List && ((List<?>) value).size() == 1) return to(((List<?>) value).get(0), type);
        if (Map.class.isAssignableFrom(raw)) return toMap(value, raw, type);
        if (raw == String.class || raw == CharSequence.class) return toText(value, type);
        if (raw == boolean.class || raw == Boolean.class) return toFlag(value, type);
        if (raw == char.class || raw == Character.class) return toCharacter(value, type);
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) return toNumber(value, raw);
        if (raw.isEnum()) return toEnum(value, raw);
        if (raw == Date.class && value instanceof Number) return new Date(((Number) value).longValue());
        if (raw == ByteBuffer.class && value instanceof String)
            return ByteBuffer.wrap(Base64.getDecoder().decode((String) value));
        if (raw.isInstance(value)) return value;
        if (value instanceof Map) return toBean((Map<?, ?>) value, raw, type);
        if (value instanceof List) throw cannot(value, type);
        return value.equals("") ? null : fromText(value.toString(), raw, type);
    }

    /* ---- scalars ---- */

    private static String toText(Object value, Type type) {
        if (value instanceof Map || value instanceof List) throw cannot(value, type);
        return value.toString();
    }

    private static Object toFlag(Object value, Type type) {
        if (value instanceof Boolean) return value;
        if (value instanceof Number) return Boolean.valueOf(((Number) value).doubleValue() != 0);
        if (value.equals("true") || value.equals("True")) return Boolean.TRUE;
        if (value.equals("false") || value.equals("False")) return Boolean.FALSE;
        throw cannot(value, type);
    }

    private static Object toCharacter(Object value, Type type) {
        String text = toText(value, type);
        if (text.length() != 1) throw cannot(value, type);
        return Character.valueOf(text.charAt(0));
    }

    private static Object toNumber(Object value, Class<?> raw) {
        if (!(value instanceof Number) && !(value instanceof String)) throw cannot(value, raw);
        String text = value.toString().trim();
        if (text.isEmpty()) return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        if (raw == Number.class && value instanceof Number) return value;
        try {
            if (raw == double.class || raw == Double.class) return Double.valueOf(text);
            if (raw == float.class || raw == Float.class) return Float.valueOf(text);
            BigDecimal exact = new BigDecimal(text);
            if (raw == BigDecimal.class || raw == Number.class) return exact;
            return toWhole(exact.toBigInteger(), raw);
        } catch (NumberFormatException e) {
            throw cannot(value, raw);
        }
    }

    private static Object toWhole(BigInteger whole, Class<?> raw) {
        try {
            if (raw == BigInteger.class) return whole;
            if (raw == long.class || raw == Long.class) return Long.valueOf(whole.longValueExact());
            if (raw == int.class || raw == Integer.class) return Integer.valueOf(whole.intValueExact());
            if (raw == short.class || raw == Short.class) return Short.valueOf(whole.shortValueExact());
            if (raw == byte.class || raw == Byte.class) return Byte.valueOf(whole.byteValueExact());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("Numeric value (" + whole + ") out of range of " + raw.getName());
        }
        throw cannot(whole, raw);
    }

    /* An unknown constant is null, as AWS has it. */
    private static Object toEnum(Object value, Class<?> raw) {
        Object[] constants = raw.getEnumConstants();
        if (value instanceof Integer)
            return (Integer) value >= 0 && (Integer) value < constants.length ? constants[(Integer) value] : null;
        for (Object constant : constants)
            if (((Enum<?>) constant).name().equals(value)) return constant;
        return null;
    }

    /* Instant, UUID, URI, DateTime of Joda, ...: whatever says how it is made of a text. */
    private static Object fromText(String text, Class<?> raw, Type type) throws Exception {
        String[] makers = {"parse", "fromString", "valueOf", "create"};
        Class<?>[] parameters = {String.class, CharSequence.class};
        for (String maker : makers) {
            for (Class<?> parameter : parameters) {
                try {
                    Method method = raw.getMethod(maker, parameter);
                    if (!Modifier.isStatic(method.getModifiers()) || !raw.isAssignableFrom(method.getReturnType()))
                        continue;
                    return method.invoke(null, text);
                } catch (NoSuchMethodException e) {
                    continue;
                } catch (InvocationTargetException e) {
                    throw cannot(text, type);
                }
            }
        }
        try {
            return raw.getConstructor(String.class).newInstance(text);
        } catch (NoSuchMethodException e) {
            throw cannot(text, type);
        }
    }

    /* ---- collections ---- */

    private static List<?> toItems(Object value) {
        if (value instanceof List) return (List<?>) value;
        return Collections.singletonList(value);
    }

    private static Object toArray(Object value, Type component) throws Exception {
        List<?> items = toItems(value);
        Class<?> raw = component instanceof Class ? (Class<?>) component
                : component instanceof ParameterizedType ? (Class<?>) ((ParameterizedType) component).getRawType()
                : Object.class;
        Object array = Array.newInstance(raw, items.size());
        for (int i = 0; i < items.size(); i++) Array.set(array, i, to(items.get(i), component));
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Object toCollection(Object value, Class<?> raw, Type type) throws Exception {
        List<?> items = toItems(value);
        Collection<Object> made;
        if (raw.isAssignableFrom(ArrayList.class)) made = new ArrayList<Object>(items.size());
        else if (raw.isAssignableFrom(LinkedHashSet.class) || raw == HashSet.class) made = new LinkedHashSet<Object>();
        else if (raw.isAssignableFrom(TreeSet.class)) made = new TreeSet<Object>();
        else if (raw.isAssignableFrom(LinkedList.class)) made = new LinkedList<Object>();
        else made = (Collection<Object>) raw.getConstructor().newInstance();
        for (Object item : items) made.add(to(item, argument(type, 0)));
        return made;
    }

    @SuppressWarnings("unchecked")
    private static Object toMap(Object value, Class<?> raw, Type type) throws Exception {
        if (!(value instanceof Map)) {
            if (value.equals("") || value instanceof List && ((List<?>) value).isEmpty()) return null;
            throw cannot(value, type);
        }
        Map<Object, Object> made;
        if (raw.isAssignableFrom(LinkedHashMap.class)) made = new LinkedHashMap<Object, Object>();
        else if (raw.isAssignableFrom(TreeMap.class)) made = new TreeMap<Object, Object>();
        else made = (Map<Object, Object>) raw.getConstructor().newInstance();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet())
            made.put(to(entry.getKey(), argument(type, 0)), to(entry.getValue(), argument(type, 1)));
        return made;
    }

    /* ---- beans ---- */

    /** How one member gets into a bean. */
    private static final class Slot {
        final Method setter;
        final Field field;

        Slot(Method setter, Field field) {
            this.setter = setter;
            this.field = field;
        }

        void put(Object bean, Object value, boolean isEvent) throws Exception {
            Type type = setter != null ? setter.getGenericParameterTypes()[0] : field.getGenericType();
            Object converted = isEvent ? eventTime(value, type) : to(value, type);
            if (setter != null) setter.invoke(bean, converted);
            else field.set(bean, converted);
        }

        private static Object eventTime(Object value, Type type) throws Exception {
            if (type == Date.class && value instanceof Number && ((Number) value).doubleValue() < SECONDS_BELOW)
                return new Date((long) (((Number) value).doubleValue() * 1000));
            return to(value, type);
        }
    }

    private static final Map<Class<?>, Map<String, Slot>> slots = new HashMap<Class<?>, Map<String, Slot>>();

    /** As java.beans has it: "URL" stays, "Name" becomes "name". */
    static String propertyName(String capital) {
        if (capital.length() > 1 && Character.isUpperCase(capital.charAt(0)) && Character.isUpperCase(capital.charAt(1)))
            return capital;
        return Character.toLowerCase(capital.charAt(0)) + capital.substring(1);
    }

    /** The fields of instances, those of superclasses first. */
    static List<Field> fieldsOf(Class<?> type) {
        List<Field> fields = new ArrayList<Field>();
        for (Class<?> at = type; at != null && at != Object.class; at = at.getSuperclass()) {
            List<Field> own = new ArrayList<Field>();
            for (Field field : at.getDeclaredFields())
                if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) own.add(field);
            fields.addAll(0, own);
        }
        return fields;
    }

    private static Map<String, Slot> slotsOf(Class<?> type, boolean isEvent) {
        Map<String, Slot> known = slots.get(type);
        if (known != null) return known;
        Map<String, Slot> found =
                isEvent ? new TreeMap<String, Slot>(String.CASE_INSENSITIVE_ORDER) : new HashMap<String, Slot>();
        for (Field field : fieldsOf(type)) {
            if (!Modifier.isPublic(field.getModifiers())) continue;
            field.setAccessible(true);
            found.put(field.getName(), new Slot(null, field));
        }
        for (Class<?> at = type; at != null && at != Object.class; at = at.getSuperclass()) {
            for (Method method : at.getDeclaredMethods()) {
                String name = method.getName();
                if (!name.startsWith("set") || name.length() == 3 || method.getParameterCount() != 1
                        || Modifier.isStatic(method.getModifiers()) || method.isBridge())
                    continue;
                Slot before = found.get(propertyName(name.substring(3)));
                if (before != null && before.setter != null) continue; /* the subclass's counts */
                method.setAccessible(true);
                found.put(propertyName(name.substring(3)), new Slot(method, null));
            }
        }
        slots.put(type, found);
        return found;
    }

    private static synchronized Object toBean(Map<?, ?> members, Class<?> raw, Type type) throws Exception {
        Constructor<?> plain;
        try {
            plain = raw.getDeclaredConstructor();
        } catch (NoSuchMethodException e) {
            return toFixed(members, raw, type);
        }
        if (Modifier.isAbstract(raw.getModifiers())) throw cannot(members, type);
        plain.setAccessible(true);
        Object bean = plain.newInstance();
        boolean isEvent = raw.getName().startsWith(EVENTS);
        Map<String, Slot> slots = slotsOf(raw, isEvent);
        for (Map.Entry<?, ?> member : members.entrySet()) {
            Slot slot = slots.get(member.getKey());
            if (slot != null) slot.put(bean, member.getValue(), isEvent);
        }
        return bean;
    }

    /* By the constructor that has a parameter for each field, in their order. */
    private static Object toFixed(Map<?, ?> members, Class<?> raw, Type type) throws Exception {
        List<Field> fields = fieldsOf(raw);
        boolean isEvent = raw.getName().startsWith(EVENTS);
        for (Constructor<?> constructor : raw.getDeclaredConstructors()) {
            Type[] parameters = constructor.getGenericParameterTypes();
            if (parameters.length != fields.size()) continue;
            Object[] values = new Object[parameters.length];
            for (int i = 0; i < values.length; i++)
                values[i] = to(member(members, fields.get(i).getName(), isEvent), parameters[i]);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        }
        throw new IllegalArgumentException("Cannot construct instance of `" + raw.getName()
                + "` (no Creators, like default constructor, exist)");
    }

    private static Object member(Map<?, ?> members, String name, boolean isEvent) {
        if (members.containsKey(name) || !isEvent) return members.get(name);
        for (Map.Entry<?, ?> member : members.entrySet())
            if (name.equalsIgnoreCase((String) member.getKey())) return member.getValue();
        return null;
    }
}
