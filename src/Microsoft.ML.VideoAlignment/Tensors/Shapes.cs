using System.Globalization;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Shape checks at the borders between rooms. Inside a room, the caller is trusted.</summary>
internal static class Shapes
{
    /// <summary>
    /// Checks <paramref name="tensor"/> against a pattern such as "B, 3, T, H, W": numbers must agree, letters stand for any size, and a letter
    /// that occurs twice must stand for one size. The error prints both shapes.
    /// </summary>
    /// <exception cref="ArgumentException">The tensor does not have this shape.</exception>
    public static void Require(Tensor tensor, string pattern, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        string[] axes = pattern.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        long[] shape = tensor.shape;
        bool fits = axes.Length == shape.Length;
        var letters = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int axis = 0; fits && axis < axes.Length; axis++)
        {
            long expected = long.TryParse(axes[axis], NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? size : letters.GetValueOrDefault(axes[axis], shape[axis]);
            letters[axes[axis]] = shape[axis];
            fits = expected == shape[axis];
        }

        if (!fits)
        {
            throw new ArgumentException($"{name}: expected shape [{pattern}], got {Describe(tensor)}.", name);
        }
    }

    /// <summary>The shape as text, for error messages: "[2, 3, 8, 32, 32]".</summary>
    public static string Describe(Tensor tensor) => Describe((IEnumerable<long>)tensor.shape);

    /// <inheritdoc cref="Describe(Tensor)"/>
    public static string Describe(IEnumerable<long> shape) => $"[{string.Join(", ", shape.Select(static size => $"{size}"))}]";
}
