package helper;

/** Lies in lib/helper.jar of the package. */
public class Helper {
    public static String shout(String text) {
        return text.toUpperCase();
    }
}
