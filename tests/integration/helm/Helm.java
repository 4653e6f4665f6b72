import java.nio.file.Path;

/** `lint CHART` and `template CHART VALUES`, as Helm's commands of these names do them; the release is "shop". */
final class Helm {
    public static void main(String[] arguments) {
        var chart = new com.marcnuri.helm.Helm(Path.of(arguments[1]));
        try {
            switch (arguments[0]) {
                case "lint" -> {
                    var result = chart.lint().strict().quiet().call();
                    result.getMessages().forEach(System.err::println);
                    System.exit(result.isFailed() ? 1 : 0);
                }
                case "template" -> System.out.print(
                    chart.template().withName("shop").withNamespace("shop").withValuesFile(Path.of(arguments[2])).call());
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        } catch (IllegalStateException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
