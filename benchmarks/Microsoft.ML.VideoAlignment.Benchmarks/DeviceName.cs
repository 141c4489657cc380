using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>Reads the name of a device from a command line.</summary>
internal static class DeviceName
{
    /// <summary>The option that names a device.</summary>
    public const string Option = "--device";

    /// <summary>Reads a name.</summary>
    /// <param name="name">"cpu", "cuda" or "cuda:N".</param>
    /// <returns>The index of the CUDA device; null: the CPU.</returns>
    /// <exception cref="ArgumentException">The name is none of these.</exception>
    public static int? Parse(string name)
    {
        string[] parts = name.Split(':');
        return parts switch
        {
            ["cpu"] => null,
            ["cuda"] => 0,
            ["cuda", var index] when int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int number) => number,
            _ => throw new ArgumentException($"{Option} must be cpu, cuda or cuda:N, got '{name}'.", nameof(name)),
        };
    }

    /// <summary>Takes the option out of a command line.</summary>
    /// <param name="arguments">The command line; the option and its value are removed.</param>
    /// <returns>The name; null: the option is not there.</returns>
    /// <exception cref="ArgumentException">The option has no value.</exception>
    public static string? Take(ref string[] arguments)
    {
        int at = Array.IndexOf(arguments, Option);
        if (at < 0)
        {
            return null;
        }

        string name = arguments.ElementAtOrDefault(at + 1)
            ?? throw new ArgumentException($"{Option} must be followed by cpu, cuda or cuda:N.", nameof(arguments));
        arguments = [.. arguments[..at], .. arguments[(at + 2)..]];
        return name;
    }
}
