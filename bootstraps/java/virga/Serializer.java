package virga;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.ServiceLoader;

/** Events to objects and results to JSON; a serializer of the function's own does it if there is one. */
final class Serializer {
    private static final String SERVICE = "META-INF/services/" + CustomPojoSerializer.class.getName();
    private final CustomPojoSerializer custom;

    Serializer(ClassLoader loader) throws Fault {
        custom = loader.getResource(SERVICE) == null ? null : find(loader);
    }

    private static CustomPojoSerializer find(ClassLoader loader) throws Fault {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        CustomPojoSerializer first = found.next();
        if (found.hasNext())
            throw Fault.of("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        return first;
    }

    Object read(Invocation invocation, Type type) {
        try {
            if (custom != null)
                return custom.fromJson(new ByteArrayInputStream(invocation.bytes(), invocation.eventOffset(),
                        invocation.eventSize()), type);
            String text = new String(invocation.bytes(), invocation.eventOffset(), invocation.eventSize(),
                    StandardCharsets.UTF_8);
            return text.isEmpty() ? null : FromJson.to(Json.parse(text), type);
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON parsing", t);
        }
    }

    void write(Object result, Type type, OutputStream answer) {
        try {
            if (custom != null) custom.toJson(result, answer, type);
            else answer.write(ToJson.text(result).getBytes(StandardCharsets.UTF_8));
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON serialization of response", t);
        }
    }
}
