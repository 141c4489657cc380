using System.Collections;

namespace Microsoft.ML.VideoAlignment.Files;

/// <summary>Numbers that are equal to others where each is: what records hold in place of an array, which is equal only to itself.</summary>
/// <param name="numbers">The numbers, which are copied.</param>
internal sealed class NumberList(IEnumerable<int> numbers) : IReadOnlyList<int>, IEquatable<NumberList>
{
    private readonly int[] _numbers = [.. numbers];

    public int Count => _numbers.Length;

    public int this[int index] => _numbers[index];

    public bool Equals(NumberList? other) => other is not null && _numbers.AsSpan().SequenceEqual(other._numbers);

    public override bool Equals(object? obj) => Equals(obj as NumberList);

    public override int GetHashCode() => _numbers.Aggregate(_numbers.Length, HashCode.Combine);

    public IEnumerator<int> GetEnumerator() => _numbers.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => string.Join(", ", _numbers);
}
