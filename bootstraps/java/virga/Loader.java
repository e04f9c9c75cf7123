package virga;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * From "package.Class::method", or "package.Class" that implements an interface, to a Handler.
 *
 * As in AWS's client, a class or a method that is not there is told to each invocation; only what
 * throws while it is loaded or constructed fails the init (a fatal Fault).
 */
final class Loader {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};

    private final ClassLoader classes;
    private final Serializer serializer;

    private Loader(ClassLoader classes) throws Fault {
        this.classes = classes;
        this.serializer = new Serializer(classes);
    }

    static Handler load(String name, String root) throws Fault {
        ClassLoader classes = classesOf(root);
        Thread.currentThread().setContextClassLoader(classes);
        try {
            return new Loader(classes).find(name);
        } catch (Fault fault) {
            if (fault.isFatal) throw fault;
            return failing(fault);
        }
    }

    /* The code, its lib/*.jar, then those of layers; the runtime's own classes go first. */
    private static ClassLoader classesOf(String root) {
        List<URL> urls = new ArrayList<URL>();
        add(urls, new File(root));
        for (String folder : new String[] {root + "/lib", "/opt/java/lib"}) {
            File[] files = new File(folder).listFiles();
            if (files == null) continue;
            Arrays.sort(files);
            for (File file : files) if (file.getName().endsWith(".jar")) add(urls, file);
        }
        return new URLClassLoader(urls.toArray(new URL[0]), Loader.class.getClassLoader());
    }

    private static void add(List<URL> urls, File file) {
        try {
            urls.add(file.toURI().toURL());
        } catch (MalformedURLException e) {
            throw new IllegalStateException(e); /* a file always has one */
        }
    }

    private static Handler failing(final Fault fault) {
        return new Handler() {
            @Override
            public void handle(Invocation invocation, OutputStream answer) throws Fault {
                throw fault;
            }
        };
    }

    private Handler find(String name) throws Fault {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String methodName = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || methodName != null && methodName.isEmpty())
            throw Fault.of("Invalid handler: `" + name + "'");
        Class<?> type;
        try {
            type = Class.forName(className, true, classes);
        } catch (ClassNotFoundException e) {
            throw Fault.of("Class not found: " + className, e, false);
        } catch (Throwable t) {
            String message = t.getMessage() == null ? "" : ": " + t.getMessage();
            throw Fault.of("Error loading class " + className + message, t, true);
        }
        return methodName == null ? ofInterface(type) : ofMethod(type, methodName);
    }

    private static Object construct(Class<?> type) throws Fault {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException e) {
            boolean isInner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            Exception reason = new Exception("Class " + type.getName() + (isInner
                    ? " cannot be instantiated because it is a non-static inner class"
                    : " has no public zero-argument constructor"), isInner ? null : e);
            throw Fault.of(reason.getMessage(), reason, false);
        } catch (InvocationTargetException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw Fault.of(Fault.messageOf(cause), cause, true);
        } catch (ReflectiveOperationException e) {
            throw Fault.of(Fault.messageOf(e), e, false);
        }
    }

    /* ---- interfaces ---- */

    private Handler ofInterface(Class<?> type) throws Fault {
        if (RequestStreamHandler.class.isAssignableFrom(type)) return ofStreams(type);
        if (RequestHandler.class.isAssignableFrom(type)) return ofObjects(type);
        throw Fault.of("Class does not implement an appropriate handler interface: " + type.getName());
    }

    private static Handler ofStreams(Class<?> type) throws Fault {
        final RequestStreamHandler handler = (RequestStreamHandler) construct(type);
        return new Handler() {
            @Override
            public void handle(Invocation invocation, OutputStream answer) throws Throwable {
                handler.handleRequest(input(invocation), answer, invocation);
            }

            @Override
            public boolean isStreaming() {
                return true;
            }
        };
    }

    private static InputStream input(Invocation invocation) {
        return new ByteArrayInputStream(invocation.bytes(), invocation.eventOffset(), invocation.eventSize());
    }

    @SuppressWarnings("unchecked")
    private Handler ofObjects(final Class<?> type) throws Fault {
        Type[] types = arguments(type, new HashMap<TypeVariable<?>, Type>());
        if (types == null)
            throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        for (Type t : types)
            if (t instanceof TypeVariable && ((TypeVariable<?>) t).getBounds()[0] == Object.class)
                throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type "
                        + "parameters: parameter " + t + " has no upper bound.");
        final Type in = types[0];
        final Type out = types[1];
        final RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) construct(type);
        return new Handler() {
            @Override
            public void handle(Invocation invocation, OutputStream answer) throws Throwable {
                Object event = serializer.read(invocation, in);
                serializer.write(handler.handleRequest(event, invocation), out, answer);
            }
        };
    }

    /* What RequestHandler's parameters are for this class, however far up it is implemented. */
    private static Type[] arguments(Class<?> type, Map<TypeVariable<?>, Type> known) {
        List<Type> above = new ArrayList<Type>(Arrays.asList(type.getGenericInterfaces()));
        if (type.getGenericSuperclass() != null) above.add(type.getGenericSuperclass());
        for (Type parent : above) {
            Class<?> raw = (Class<?>) (parent instanceof ParameterizedType
                    ? ((ParameterizedType) parent).getRawType() : parent);
            if (!RequestHandler.class.isAssignableFrom(raw)) continue;
            if (!(parent instanceof ParameterizedType)) {
                if (raw == RequestHandler.class) return null;
            } else {
                Type[] given = ((ParameterizedType) parent).getActualTypeArguments();
                for (int i = 0; i < given.length; i++)
                    if (known.containsKey(given[i])) given[i] = known.get(given[i]);
                if (raw == RequestHandler.class) return given;
                for (int i = 0; i < given.length; i++) known.put(raw.getTypeParameters()[i], given[i]);
            }
            Type[] found = arguments(raw, known);
            if (found != null) return found;
        }
        return null;
    }

    /* ---- methods ---- */

    /* No bridges; the longest, where a Context at the end counts twice. */
    private static final Comparator<Method> PRIORITY = new Comparator<Method>() {
        @Override
        public int compare(Method a, Method b) {
            if (a.isBridge() != b.isBridge()) return a.isBridge() ? 1 : -1;
            return weight(b) - weight(a);
        }

        private int weight(Method method) {
            Class<?>[] types = method.getParameterTypes();
            return types.length + (types.length > 0 && types[types.length - 1] == Context.class ? 1 : 0);
        }
    };

    private Handler ofMethod(Class<?> type, String name) throws Fault {
        List<Method> methods = new ArrayList<Method>();
        try {
            for (Method method : type.getMethods()) if (method.getName().equals(name)) methods.add(method);
        } catch (NoClassDefFoundError e) {
            throw Fault.of("Error loading method " + name + " on class " + type.getName(), e, false);
        }
        methods.sort(PRIORITY);
        for (Method method : methods)
            if (isHandler(method.getParameterTypes())) return ofMethod(type, method);
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class "
                + type.getName());
    }

    /* (event?, Context?), where event is no stream, or (InputStream?, OutputStream?, Context?). */
    private static boolean isHandler(Class<?>[] types) {
        int count = types.length;
        if (count > 0 && types[count - 1] == Context.class) count--;
        if (count == 0 || count == 1) return count == 0 || types[0] != Context.class;
        return count == 2 && types[0] == InputStream.class && types[1] == OutputStream.class;
    }

    private Handler ofMethod(Class<?> type, final Method method) throws Fault {
        final Class<?>[] types = method.getParameterTypes();
        final boolean isWriting = Arrays.asList(types).contains(OutputStream.class);
        final boolean isReading = Arrays.asList(types).contains(InputStream.class);
        final Object instance = Modifier.isStatic(method.getModifiers()) ? null : construct(type);
        final Type[] generic = method.getGenericParameterTypes();
        final boolean isVoid = method.getReturnType() == void.class || method.getReturnType() == Void.class;
        method.setAccessible(true);
        return new Handler() {
            @Override
            public void handle(Invocation invocation, OutputStream answer) throws Throwable {
                Object[] values = new Object[types.length];
                for (int i = 0; i < types.length; i++) {
                    if (types[i] == Context.class) values[i] = invocation;
                    else if (types[i] == InputStream.class) values[i] = input(invocation);
                    else if (types[i] == OutputStream.class) values[i] = answer;
                    else values[i] = serializer.read(invocation, generic[i]);
                }
                Object result = call(method, instance, values);
                if (isWriting) return;
                if (isReading || isVoid) answer.write(NULL);
                else serializer.write(result, method.getGenericReturnType(), answer);
            }

            @Override
            public boolean isStreaming() {
                return isWriting;
            }
        };
    }

    private static Object call(Method method, Object instance, Object[] values) throws Throwable {
        try {
            return method.invoke(instance, values);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }
}
