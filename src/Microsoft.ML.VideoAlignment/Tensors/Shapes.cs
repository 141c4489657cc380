using System.Globalization;
using System.Runtime.CompilerServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Shape checks at the borders between rooms. Inside a room, the caller is trusted.</summary>
internal static class Shapes
{
    /// <summary>Checks a tensor against a pattern; the error prints both shapes.</summary>
    /// <param name="tensor">Any shape.</param>
    /// <param name="pattern">
    /// Such as "B, 3, T, H, W": numbers must agree, letters stand for any size, and a letter that occurs twice stands for one size.
    /// </param>
    /// <param name="name">The tensor's name, for the error.</param>
    /// <exception cref="ArgumentException">The tensor does not have this shape.</exception>
    public static void Require(Tensor tensor, string pattern, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        string[] axes = pattern.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        long[] shape = tensor.shape;
        bool fits = axes.Length == shape.Length;
        var letters = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int axis = 0; fits && axis < axes.Length; axis++)
        {
            bool fixedSize = long.TryParse(axes[axis], NumberStyles.None, CultureInfo.InvariantCulture, out long size);
            long expected = fixedSize ? size : letters.GetValueOrDefault(axes[axis], shape[axis]);
            letters[axes[axis]] = shape[axis];
            fits = expected == shape[axis];
        }

        if (!fits)
        {
            throw new ArgumentException($"{name}: expected shape [{pattern}], got {Describe(tensor)}.", name);
        }
    }

    /// <summary>The shape as text, for error messages: "[2, 3, 8, 32, 32]".</summary>
    /// <param name="tensor">Any shape.</param>
    public static string Describe(Tensor tensor) => Describe((IEnumerable<long>)tensor.shape);

    /// <summary>The shape as text, for error messages: "[2, 3, 8, 32, 32]".</summary>
    /// <param name="shape">Sizes of the axes.</param>
    public static string Describe(IEnumerable<long> shape) => $"[{string.Join(", ", shape.Select(static size => $"{size}"))}]";
}
